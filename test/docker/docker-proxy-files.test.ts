// Local folders in containers of a remote host, by the docker client as it is.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { assert, test } from 'vitest';
import { STATUS_PATH } from '../../src/docker-proxy/planner.ts';
import { ProxyStatus } from '../../src/docker-proxy/proxy.ts';
import { dockerAt } from '../harness/docker.ts';
import { until } from '../harness/house.ts';
import { DESKTOP_IMAGE } from '../harness/images.ts';
import { startProgram } from '../harness/programs.ts';
import { NETWORK, setUpProxied as setUp } from '../harness/proxied-docker.ts';

/** By root, as most images run. */
const SHELL = ['--user', 'root', '--network', NETWORK, '--entrypoint', 'sh', DESKTOP_IMAGE, '-c'];

test('what is in a folder of `-v` is there when the container starts, and what it wrote is here when `docker run` returns', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const work = join(at.folder, 'my work');
  await mkdir(join(work, 'in'), { recursive: true });
  await writeFile(join(work, 'in/text'), 'from here');

  const said = await at.run(
    'run',
    '--rm',
    '--name',
    'proxied-work',
    '--volume',
    `${work}:/work`,
    ...SHELL,
    'cat /work/in/text; mkdir /work/out; echo made there > /work/out/result',
  );

  assert.equal(said, 'from here');
  assert.equal(await readFile(join(work, 'out/result'), 'utf8'), 'made there\n');
  // Nobody uses the copy any more.
  await until(
    'the copy is gone',
    async () => (await readdir(join(at.folder, '.cache/nekogate/files'), { recursive: true })).join(),
    (paths) => !paths.includes('text'),
  );
});

test('folders stay in step while a container runs, and inspect and ps show them as they were asked for', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const work = join(at.folder, 'work');
  await mkdir(work);
  await writeFile(join(work, 'settings'), 'first');
  await at.run(
    'run',
    '--detach',
    '--name',
    'proxied-work',
    '--volume',
    `${work}:/work`,
    '--mount',
    `type=bind,source=${join(work, 'settings')},target=/settings,readonly`,
    '--volume',
    'proxied-volume:/volume',
    ...SHELL,
    'sleep 1000',
  );
  const read = (path: string): Promise<string> => at.run('exec', 'proxied-work', 'cat', path).catch(String);

  await writeFile(join(work, 'settings'), 'second');
  await until(
    'both have it',
    async () => [await read('/settings'), await read('/work/settings')].join(),
    (texts) => texts === 'second,second',
  );
  await at.run('exec', 'proxied-work', 'sh', '-c', 'echo back > /work/back');
  assert.equal(
    await until(
      'it is here',
      () => readFile(join(work, 'back'), 'utf8').catch(String),
      (text) => text === 'back\n',
    ),
    'back\n',
  );

  const format = '{{json .HostConfig.Binds}}\n{{json .HostConfig.Mounts}}\n{{json .Mounts}}\n{{json .Config.Labels}}';
  const inspected = await at.run('inspect', '--format', format, 'proxied-work');
  const [binds, mounts, all] = inspected.split('\n').map((line): unknown => JSON.parse(line));
  // The docker client keeps them in no order.
  assert.sameMembers(Array.isArray(binds) ? binds : [], [`${work}:/work`, 'proxied-volume:/volume']);
  assert.deepInclude(mounts, { Type: 'bind', Source: join(work, 'settings'), Target: '/settings', ReadOnly: true });
  assert.include(JSON.stringify(all), `"Source":"${work}"`);
  assert.notInclude(inspected, '.cache/nekogate/files');
  assert.notInclude(inspected, 'nekogate.docker-proxy');
  assert.include(await at.run('ps', '--no-trunc', '--format', '{{.Mounts}}'), work);
  await at.run('rm', '--force', 'proxied-work');
  await at.direct.run(['volume', 'rm', 'proxied-volume']);
});

test('what a container wrote and deleted while no proxy was there comes with the next, and the copy that nobody uses any more goes', async () => {
  await using at = await setUp();
  const work = join(at.folder, 'work');
  const copies = join(at.folder, '.cache/nekogate/files');
  await mkdir(work);
  for (const name of ['stays', 'deleted']) await writeFile(join(work, name), name);
  {
    await using _proxy = await at.openProxy();
    await at.run('run', '--detach', '--name', 'proxied-work', '--volume', `${work}:/work`, ...SHELL, 'sleep 1000');
  }
  const change = 'rm /work/deleted; echo made > /work/made; chmod 644 /work/made';
  await at.direct.run(['exec', 'proxied-work', 'sh', '-c', change]);
  await at.direct.run(['rm', '--force', 'proxied-work']);
  await writeFile(join(work, 'mine'), 'mine');

  await using _next = await at.openProxy();
  await until(
    'the copy is gone',
    async () => (await Promise.all((await readdir(copies)).map((owner) => readdir(join(copies, owner))))).flat(),
    (names) => names.length === 0,
  );

  assert.sameMembers(await readdir(work), ['stays', 'made', 'mine']);
  assert.equal(await readFile(join(work, 'made'), 'utf8'), 'made\n');
  await until(
    'nothing is remembered of it',
    () => readdir(join(at.folder, 'data/docker-proxy-folders')),
    (names) => names.length === 0,
  );
});

test('containers share the copy of a folder: it goes both ways while one of them may write, and stays while one is there', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const work = join(at.folder, 'work');
  await mkdir(work);
  await writeFile(join(work, 'file'), 'first');
  const folders = async (): Promise<string[]> => {
    const status = await fetchStatus(join(at.folder, 'docker.sock'));
    return status.folders.map(({ local, direction }) => `${local} ${direction}`);
  };
  const start = (name: string, options: string): Promise<string> =>
    at.run('run', '--detach', '--name', name, '--volume', `${work}:/work${options}`, ...SHELL, 'sleep 1000');

  await start('proxied-reader', ':ro');
  assert.deepEqual(await folders(), [`${work} to the remote`]);
  await start('proxied-writer', '');
  assert.deepEqual(await folders(), [`${work} both ways`]);
  await at.run('exec', 'proxied-writer', 'sh', '-c', 'echo made > /work/made; chmod 644 /work/made');
  await at.run('rm', '--force', 'proxied-writer');

  assert.equal(await readFile(join(work, 'made'), 'utf8'), 'made\n');
  assert.equal(await at.run('exec', 'proxied-reader', 'cat', '/work/made'), 'made');
  await until('it goes one way again', folders, (seen) => seen.join() === `${work} to the remote`);
  await at.run('stop', '--time', '0', 'proxied-reader');
  await at.run('rm', 'proxied-reader');
  await until(
    'the copy is gone',
    async () => (await readdir(join(at.folder, '.cache/nekogate/files'), { recursive: true })).join(),
    (paths) => !paths.includes('file'),
  );
});

test("a container that mounts docker.sock gets the remote daemon's, by either name", async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const wanted = ['/var/run/docker.sock', join(at.folder, 'docker.sock')];

  for (const [index, socket] of wanted.entries())
    await at.run('create', '--name', `proxied-sock-${index}`, '--volume', `${socket}:/sock`, ...SHELL, 'true');

  const inspect = ['inspect', '--format', '{{json .HostConfig.Binds}}', 'proxied-sock-0', 'proxied-sock-1'];
  const remote = at.direct.host.replace('unix://', '');
  assert.equal(await at.direct.run(inspect), `["${remote}:/sock"]\n["${remote}:/sock"]`);
  assert.equal(await at.run(...inspect), wanted.map((socket) => `["${socket}:/sock"]`).join('\n'));
});

test('what can not be carried is refused at create, and nothing is made', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy({ allowedPaths: [join(at.folder, 'allowed')] });
  await mkdir(join(at.folder, 'allowed'));
  const server = createServer();
  const socket = join(at.folder, 'allowed/some.sock');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const create = (...args: string[]): Promise<string> =>
    at.run('create', '--name', 'proxied-refused', ...args, ...SHELL, 'true').catch(String);

  const missing = await create('--mount', `type=bind,source=${at.folder}/allowed/missing,target=/x`);
  const elsewhere = await create('--volume', `${at.folder}/data:/x`);
  const special = await create('--volume', `${socket}:/x`);
  server.close();

  assert.include(missing, `bind source path does not exist: ${at.folder}/allowed/missing`);
  assert.include(elsewhere, 'in none of the folders');
  assert.include(special, 'is a socket, a device or a pipe');
  assert.equal(await at.direct.run(['ps', '--all', '--quiet', '--filter', 'name=proxied-refused']), '');
});

test('contexts of a config file run in one process, each with its socket; status and flush say what is there', async () => {
  await using at = await setUp();
  const configFile = join(at.folder, 'proxy.json');
  const context = { SSHHost: 'remote', RemoteDocker: at.direct.host };
  const work = join(at.folder, 'work');
  await mkdir(work);
  await writeFile(join(work, 'file'), 'x');
  await writeFile(
    configFile,
    JSON.stringify({ Contexts: { one: context, two: { ...context, AllowedPaths: ['/nowhere'] } } }),
  );
  const environment = {
    NEKOGATE_DATA_DIR: join(at.folder, 'data'),
    XDG_RUNTIME_DIR: at.folder,
    NEKOGATE_LOG_LEVEL: 'error',
  };
  const start = (...args: string[]): ReturnType<typeof startProgram> =>
    startProgram(['docker-proxy', ...args, '--config', configFile], environment);
  await using _proxies = start('--ssh-config', at.sshd.configFile);
  const [, first, second] = await _proxies.until(/DOCKER_HOST=(\S+one\.sock)[^]*DOCKER_HOST=(\S+two\.sock)/);
  const run = ['run', '--detach', '--name', 'proxied-one', '--publish', '80', '--volume', `${work}:/work`, ...SHELL];

  await dockerAt(first ?? '').run([...run, 'sleep 1000']);
  const refused = await dockerAt(second ?? '')
    .run([...run, 'true'])
    .catch(String);
  await writeFile(join(work, 'file'), 'flushed');
  await using flush = start('flush', '--context', 'one');
  await flush.exited;
  const seen = await at.direct.run(['exec', 'proxied-one', 'cat', '/work/file']);
  await using status = start('status', '--json', '--context', 'one');
  const [text = ''] = await status.until(/\{[^]*\n\}\n/);

  assert.include(refused, 'in none of the folders');
  assert.equal(seen, 'flushed');
  const { folders, forwards } = ProxyStatus.parse(JSON.parse(text));
  assert.deepInclude(folders[0], { local: work, direction: 'both ways', state: 'in step' });
  assert.deepInclude(forwards[0], { name: 'proxied-one', port: '80/tcp' });
});

async function fetchStatus(socketPath: string): Promise<ProxyStatus> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  request({ socketPath, path: STATUS_PATH }, (answer) => void json(answer).then(resolve, reject))
    .on('error', reject)
    .end();
  return ProxyStatus.parse(await promise);
}
