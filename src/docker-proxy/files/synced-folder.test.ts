// Folders kept in step through a real sshd, both ends on this machine.
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { until } from '../../../test/harness/house.ts';
import { startSshd, type Sshd } from '../../../test/harness/sshd.ts';
import { GatewayError } from '../../errors.ts';
import { SshLink } from '../ssh/link.ts';
import { SyncedFolder } from './synced-folder.ts';

const log = pino({ level: 'silent' });

interface Setting extends AsyncDisposable {
  here: string;
  there: string;
  sshd: Sshd;
  open(choice?: { only?: string; isTwoWay?: boolean }): SyncedFolder;
}

async function setUp(): Promise<Setting> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  const sshd = opening.use(await startSshd(path));
  const link = opening.use(
    new SshLink(
      { log, agentSocket: undefined, acceptNewHostKeys: false },
      { host: 'remote', configFile: sshd.configFile },
      { kind: 'socket', path: '/nowhere' },
    ),
  );
  const here = join(path, 'here');
  const there = join(path, 'deep/there');
  await mkdir(here);
  const open: Setting['open'] = ({ only, isTwoWay = true } = {}) => {
    const folder = new SyncedFolder(
      { openFiles: () => link.openFiles(), log },
      { root: here, only, remoteRoot: there },
    );
    folder.isTwoWay = isTwoWay;
    opened.defer(() => folder.close());
    return folder;
  };
  const opened = opening.use(new AsyncDisposableStack());
  const owned = opening.move();
  return { here, there, sshd, open, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Every path with what there is to say of it. */
async function look(folder: string): Promise<Record<string, string>> {
  const paths = await readdir(folder, { recursive: true });
  const seen = await Promise.all(
    paths.map(async (path) => {
      const at = join(folder, path);
      const stats = await lstat(at);
      const content = stats.isSymbolicLink()
        ? `-> ${await readlink(at)}`
        : stats.isDirectory()
          ? 'folder'
          : await readFile(at, 'utf8');
      return [path, stats.isSymbolicLink() ? content : `${(stats.mode & 0o777).toString(8)} ${content}`] as const;
    }),
  );
  return Object.fromEntries(seen.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof GatewayError ? error.code : String(error)),
  );
}

test('files, folders, modes, links and odd names are the same at the remote, and what leads out is left out', async () => {
  await using at = await setUp();
  await mkdir(join(at.here, "a b/c'd"), { recursive: true });
  await writeFile(join(at.here, "a b/c'd/e\nf:g"), 'odd');
  await writeFile(join(at.here, 'run.sh'), '#!/bin/sh\n');
  await chmod(join(at.here, 'run.sh'), 0o755);
  await writeFile(join(at.here, 'empty'), '');
  await writeFile(join(at.here, 'ümläut'), 'x'.repeat(3_000_000));
  await symlink('run.sh', join(at.here, 'link'));
  const carried = await look(at.here);
  await symlink('/etc/passwd', join(at.here, 'outside'));
  await execa('mkfifo', [join(at.here, 'pipe')]);

  await at.open().sync();

  assert.deepEqual(await look(at.there), carried);
});

test('changes come over from both sides: edits, new files, renames and deletions', async () => {
  await using at = await setUp();
  await mkdir(join(at.here, 'src'));
  await writeFile(join(at.here, 'src/one'), '1');
  await writeFile(join(at.here, 'src/two'), '2');
  const folder = at.open();
  await folder.sync();

  await writeFile(join(at.here, 'src/one'), 'one');
  await rename(join(at.there, 'src/two'), join(at.there, 'src/three'));
  await mkdir(join(at.there, 'out/deep'), { recursive: true });
  await writeFile(join(at.there, 'out/deep/made'), 'by a container');
  await folder.sync();

  assert.deepEqual(await look(at.here), await look(at.there));
  assert.equal(await readFile(join(at.there, 'src/one'), 'utf8'), 'one');
  assert.equal(await readFile(join(at.here, 'src/three'), 'utf8'), '2');
  assert.equal(await readFile(join(at.here, 'out/deep/made'), 'utf8'), 'by a container');
  await rm(join(at.here, 'out'), { recursive: true });
  await rm(join(at.there, 'src/one'));
  await folder.sync();
  assert.sameMembers(Object.keys(await look(at.here)), ['src', 'src/three']);
  assert.deepEqual(await look(at.here), await look(at.there));
});

test('of two changes the one here wins, and the other is kept beside; a change outlives a deletion', async () => {
  await using at = await setUp();
  for (const name of ['both.txt', 'deleted-here', 'deleted-there']) await writeFile(join(at.here, name), 'first');
  await mkdir(join(at.here, 'folder'));
  const folder = at.open();
  await folder.sync();

  await writeFile(join(at.here, 'both.txt'), 'mine');
  await writeFile(join(at.there, 'both.txt'), "the container's");
  await rm(join(at.here, 'deleted-here'));
  await writeFile(join(at.there, 'deleted-here'), 'still needed');
  await rm(join(at.there, 'deleted-there'));
  await writeFile(join(at.here, 'deleted-there'), 'still wanted');
  await rm(join(at.here, 'folder'), { recursive: true });
  await writeFile(join(at.there, 'folder/new'), 'new');
  await folder.sync();

  const now = await look(at.here);
  assert.deepEqual(now, await look(at.there));
  assert.equal(now['both.txt'], '644 mine');
  const kept = Object.keys(now).find((name) => /^both\.remote-\d{8}-\d{6}\.txt$/.test(name));
  assert.equal(now[kept ?? ''], "644 the container's");
  assert.equal(now['deleted-here'], '644 still needed');
  assert.equal(now['deleted-there'], '644 still wanted');
  assert.equal(now['folder/new'], '644 new');
});

test('read-only goes one way: what a container changes is put right, and nothing of it comes here', async () => {
  await using at = await setUp();
  await writeFile(join(at.here, 'file'), 'mine');
  await writeFile(join(at.here, 'other'), 'mine');
  const folder = at.open({ isTwoWay: false });
  await folder.sync();

  await writeFile(join(at.there, 'file'), 'changed there');
  await writeFile(join(at.there, 'new'), 'there');
  await rm(join(at.there, 'other'));
  await folder.sync();

  assert.deepEqual(await look(at.here), { file: '644 mine', other: '644 mine' });
  assert.deepEqual(await look(at.there), await look(at.here));
});

test('a folder that vanishes or is emptied pauses, on either side, and goes on when it is back', async () => {
  await using at = await setUp();
  for (const name of ['one', 'two', 'three']) await writeFile(join(at.here, name), name);
  const folder = at.open();
  await folder.sync();
  const all = await look(at.here);

  await rename(at.here, `${at.here}.away`);
  assert.equal(await codeOf(folder.sync()), 'FILES_PAUSED');
  await mkdir(at.here);
  assert.equal(await codeOf(folder.sync()), 'FILES_PAUSED');
  assert.equal(folder.status().state, 'paused');
  assert.deepEqual(await look(at.there), all);
  await rm(at.here, { recursive: true });
  await rename(`${at.here}.away`, at.here);
  await folder.sync();
  for (const name of ['one', 'two', 'three']) await rm(join(at.there, name));

  assert.equal(await codeOf(folder.sync()), 'FILES_PAUSED');
  assert.deepEqual(await look(at.here), all);
  // Some file there says that it was meant.
  await writeFile(join(at.there, 'four'), 'four');
  await folder.sync();
  assert.deepEqual(await look(at.here), { four: '644 four' });
});

test('what .nekogateignore names stays where it is, and naming more of it deletes nothing', async () => {
  await using at = await setUp();
  await mkdir(join(at.here, 'node_modules'));
  await writeFile(join(at.here, 'node_modules/big'), 'big');
  await writeFile(join(at.here, 'a.log'), 'a');
  await writeFile(join(at.here, 'b'), 'b');
  await writeFile(join(at.here, '.nekogateignore'), 'node_modules/\n');
  const folder = at.open();
  await folder.sync();
  assert.sameMembers(Object.keys(await look(at.there)), ['.nekogateignore', 'a.log', 'b']);

  await appendFile(join(at.here, '.nekogateignore'), '*.log\n');
  await folder.sync();
  await rm(join(at.there, 'a.log'));
  await folder.sync();

  assert.equal(await readFile(join(at.here, 'a.log'), 'utf8'), 'a');
  assert.equal(await readFile(join(at.here, 'node_modules/big'), 'utf8'), 'big');
});

test('a folder is not deleted with something in it that is left out; that is said, and the rest goes on', async () => {
  await using at = await setUp();
  await mkdir(join(at.here, 'folder'));
  for (const name of ['.nekogateignore', 'other', 'folder/file']) await writeFile(join(at.here, name), '*.tmp\n');
  const folder = at.open();
  await folder.sync();
  await writeFile(join(at.there, 'folder/left.tmp'), 'left out');

  await rm(join(at.here, 'folder'), { recursive: true });
  await writeFile(join(at.here, 'other'), 'goes on');
  await folder.sync();

  assert.sameMembers(Object.keys(await look(at.there)), ['.nekogateignore', 'other', 'folder', 'folder/left.tmp']);
  assert.equal(await readFile(join(at.there, 'other'), 'utf8'), 'goes on');
  assert.include(folder.status().failure, 'not deleted on both sides');
});

test('a single file is written in place, both ways, and nothing beside it is carried', async () => {
  await using at = await setUp();
  await writeFile(join(at.here, 'settings'), 'first, and longer');
  await writeFile(join(at.here, 'secret'), 'beside');
  const folder = at.open({ only: 'settings' });
  await folder.sync();
  const { ino: there } = await stat(join(at.there, 'settings'));
  const { ino: here } = await stat(join(at.here, 'settings'));

  await writeFile(join(at.here, 'settings'), 'second');
  await folder.sync();
  assert.deepEqual(await look(at.there), { settings: '644 second' });
  assert.equal((await stat(join(at.there, 'settings'))).ino, there);
  await writeFile(join(at.there, 'settings'), 'third');
  await folder.sync();

  assert.equal(await readFile(join(at.here, 'settings'), 'utf8'), 'third');
  assert.equal((await stat(join(at.here, 'settings'))).ino, here);
});

test('a container can not write outside the folder through a link of its making', async () => {
  await using at = await setUp();
  const outside = `${at.here}.outside`;
  await mkdir(outside);
  await mkdir(join(at.here, 'folder'));
  await writeFile(join(at.here, 'file'), 'x');
  const folder = at.open();
  await folder.sync();
  // As if it came between a look and the write that follows.
  await rm(join(at.here, 'folder'), { recursive: true });
  await symlink(outside, join(at.here, 'folder'));
  await writeFile(join(at.there, 'folder/evil'), 'evil');

  await folder.sync().catch(() => undefined);

  assert.deepEqual(await readdir(outside), []);
});

test('changes on either side are carried as they come, and again after SSH was lost', async () => {
  await using at = await setUp();
  await writeFile(join(at.here, 'file'), 'first');
  const folder = at.open();
  await folder.sync();
  folder.follow();

  await writeFile(join(at.here, 'file'), 'second');
  await until(
    'it is there',
    () => readFile(join(at.there, 'file'), 'utf8'),
    (text) => text === 'second',
  );
  await at.sshd.kill();
  await writeFile(join(at.here, 'more'), 'while it was away');
  await until(
    'it is noticed',
    async () => folder.status().state,
    (state) => state === 'failing',
  );
  await at.sshd.restart();
  await until(
    'it is there',
    () => readFile(join(at.there, 'more'), 'utf8').catch(String),
    (text) => text === 'while it was away',
  );

  await writeFile(join(at.there, 'back'), 'from a container');
  await until(
    'it is here',
    () => readFile(join(at.here, 'back'), 'utf8').catch(String),
    (text) => text === 'from a container',
  );
});
