import { chmod, mkdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { poorFiles, startSshd } from '../../../test/harness/sshd.ts';
import { showInspect } from '../answers.ts';
import { FILES_LABEL } from '../labels.ts';
import { SshLink } from '../ssh/link.ts';
import { rewriteFiles } from './create.ts';

const log = pino({ level: 'silent' });
const OWNER = 'me';

interface Setting extends AsyncDisposable {
  folder: string;
  rewrite(body: string, allowedPaths?: string[]): Promise<string>;
}

async function setUp({ isPoor = false } = {}): Promise<Setting> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  const sshd = opening.use(await startSshd(path, isPoor && process.getuid?.() === 0 ? [poorFiles(path)] : []));
  const remote = opening.use(
    new SshLink(
      { log, agentSocket: undefined, acceptNewHostKeys: false },
      { host: 'remote', configFile: sshd.configFile },
      { kind: 'socket', path: '/remote/docker.sock' },
    ),
  );
  const owned = opening.move();
  return {
    folder: await realpath(path),
    rewrite: async (body, allowedPaths) =>
      (
        await rewriteFiles({ remote, owner: OWNER, ownSocket: '/own.sock', allowedPaths }, Buffer.from(body))
      ).toString(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

test('volumes and paths of the host itself pass byte for byte', async () => {
  await using at = await setUp();
  const body =
    '{"HostConfig":{"Binds":["named:/x","/anonymous","/proc:/p","/sys/fs/cgroup:/c:ro"], "Mounts":[{"Type":"volume","Source":"v","Target":"/v"},{"Type":"tmpfs","Target":"/t"}],"Ulimits":[{"Hard":9223372036854775807}]}}';

  assert.equal(await at.rewrite(body), body);
});

test('local sources become copies at the remote, with their options; all else stays as it is, and inspect shows it', async () => {
  await using at = await setUp();
  const work = join(at.folder, 'a "quoted" wörk');
  await mkdir(work);
  await writeFile(join(work, 'file'), 'x');
  const source = JSON.stringify(work);
  const body = `{"Labels":{"a":"b"},"hostconfig":{"binds":[${JSON.stringify(`${work}/:/x:ro,z`)},"named:/n"],"Ulimits":[{"Hard":9223372036854775807}],"Mounts":[{"Type":"bind","Source":${source},"Target":"/y"}]}}`;

  const sent = await at.rewrite(body);

  const copy = /"(\/[^":]*\.cache\/nekogate\/files\/me\/[0-9a-f]{16}):\/x:ro,z"/.exec(sent)?.[1] ?? '';
  assert.isTrue((await stat(copy)).isDirectory());
  assert.include(sent, `"Source":"${copy}","Target":"/y"`);
  assert.include(sent, '"named:/n"],"Ulimits":[{"Hard":9223372036854775807}]');
  assert.include(sent, FILES_LABEL);
  const labels = /"Labels":(\{.*?\}),"hostconfig"/.exec(sent)?.[1] ?? '';
  const inspected = `{"Config":{"Labels":${labels}},"HostConfig":{"Binds":["${copy}:/x:ro,z"]},"Mounts":[{"Source":"${copy}"}]}`;
  const shown: unknown = JSON.parse(
    showInspect({ forwards: { shown: () => [] }, owner: OWNER }, Buffer.from(inspected)).toString(),
  );
  assert.deepEqual(shown, {
    Config: { Labels: { a: 'b' } },
    HostConfig: { Binds: [`${work}/:/x:ro,z`] },
    Mounts: [{ Source: `${work}/` }],
  });
});

test('where the copy of a single file is gone nothing is known of the copy any more, so that its empty place is no change', async () => {
  await using at = await setUp();
  await writeFile(join(at.folder, 'settings'), 'mine');
  const body = JSON.stringify({ HostConfig: { Binds: [`${join(at.folder, 'settings')}:/x`] } });
  const copy = /"(\/[^":]*\/files\/me\/[0-9a-f]{16}\/settings):\/x"/.exec(await at.rewrite(body))?.[1] ?? '';
  const name = `${dirname(copy)}.id`;
  await writeFile(name, 'known');

  await at.rewrite(body);
  const before = await readFile(name, 'utf8');
  await rm(copy);
  await at.rewrite(body);

  assert.equal(before, 'known');
  assert.equal((await stat(copy)).size, 0);
  assert.equal(await stat(name).catch(() => 'gone'), 'gone');
});

test('a folder that is not there is made for -v, and refused for --mount in the words of the daemon', async () => {
  await using at = await setUp();
  const bind = join(at.folder, 'new/deep');
  const mount = join(at.folder, 'missing');

  await at.rewrite(JSON.stringify({ HostConfig: { Binds: [`${bind}:/x`] } }));
  const refused = await at
    .rewrite(JSON.stringify({ HostConfig: { Mounts: [{ Type: 'bind', Source: mount, Target: '/x' }] } }))
    .catch(String);

  assert.isTrue((await stat(bind)).isDirectory());
  assert.include(refused, `bind source path does not exist: ${mount}`);
});

test('a link into a folder that is not allowed is refused, for what counts is where it leads', async () => {
  await using at = await setUp();
  for (const name of ['allowed', 'private']) await mkdir(join(at.folder, name));
  await symlink(join(at.folder, 'private'), join(at.folder, 'allowed/link'));
  const create = (path: string): Promise<string> =>
    at.rewrite(JSON.stringify({ HostConfig: { Binds: [`${path}:/x`] } }), [join(at.folder, 'allowed')]).catch(String);

  assert.include(await create(join(at.folder, 'allowed/link')), 'in none of the folders');
  assert.include(await create('/'), 'the whole of /');
  assert.include(await create(join(at.folder, 'allowed')), '.cache/nekogate/files');
});

test('a remote home that can not be written to refuses the create, in words like the daemon has', async () => {
  await using at = await setUp({ isPoor: true });
  const work = join(at.folder, 'work');
  await mkdir(work);
  // Its user may enter and read.
  await chmod(at.folder, 0o555);

  const refused = await at.rewrite(`{"HostConfig":{"Binds":["${work}:/x"]}}`).catch(String);
  await chmod(at.folder, 0o700);

  assert.match(
    refused,
    /error while creating mount source path '.*\/\.cache\/nekogate\/files\/me\/.*' on the remote host: permission denied/,
  );
});

test("the folders of copies are the remote user's alone", async () => {
  await using at = await setUp();
  const work = join(at.folder, 'work');
  await mkdir(work);

  await at.rewrite(`{"HostConfig":{"Binds":["${work}:/x"]}}`);

  for (const path of ['.cache/nekogate', '.cache/nekogate/files', '.cache/nekogate/files/me'])
    assert.equal((await stat(join(at.folder, path))).mode & 0o777, 0o700);
});
