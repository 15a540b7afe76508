// The docker client and compose, as they are, through the proxy over a real sshd to a real dockerd.
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { execa } from 'execa';
import { assert, test } from 'vitest';
import { STATUS_PATH } from '../../src/docker-proxy/planner.ts';
import { ProxyStatus } from '../../src/docker-proxy/proxy.ts';
import type { Docker } from '../harness/docker.ts';
import { until } from '../harness/house.ts';
import { DESKTOP_IMAGE } from '../harness/images.ts';
import { freePort, listenOnAnyPort } from '../harness/ports.ts';
import { startProgram } from '../harness/programs.ts';
import { LISTEN, NETWORK, say, SERVE, SERVER, setUpProxied as setUp, untilHello } from '../harness/proxied-docker.ts';

test('a published port is on this machine when `docker run` returns, and inspect, ps and port show what was asked for', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const port = await freePort();

  await at.run(
    'run',
    '--detach',
    '--name',
    'proxied-web',
    '--publish',
    `${port}:80`,
    '--publish',
    '127.0.0.1::81',
    ...SERVE,
  );

  assert.equal(await untilHello(port), 'hello\n');
  assert.equal(await untilHello(port, '::1'), 'hello\n');
  const any = /^127\.0\.0\.1:(\d+)$/.exec(await at.run('port', 'proxied-web', '81'))?.[1];
  assert.isDefined(any);
  assert.equal(await at.run('port', 'proxied-web', '80'), `0.0.0.0:${port}\n:::${port}`);
  assert.include(await at.run('ps', '--format', '{{.Ports}}'), `0.0.0.0:${port}->80/tcp`);
  const [asked, labels] = (
    await at.run('inspect', '--format', '{{json .HostConfig.PortBindings}}\n{{json .Config.Labels}}', 'proxied-web')
  ).split('\n');
  assert.deepEqual(JSON.parse(asked ?? ''), {
    '80/tcp': [{ HostIp: '', HostPort: String(port) }],
    '81/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }],
  });
  assert.notInclude(labels, 'nekogate.docker-proxy');
  // At the remote itself nobody but its own loopback reaches them.
  const remote = await at.direct.run(['port', 'proxied-web', '80']);
  assert.match(remote, /^127\.0\.0\.1:\d+$/);
  assert.notEqual(remote, `127.0.0.1:${port}`);
});

test('a port that somebody has here fails the start in the words of the daemon, and nothing is left of it', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const port = await freePort();
  await at.run('run', '--detach', '--name', 'proxied-first', '--publish', `${port}:80`, ...SERVE);

  const failure = await at
    .run('run', '--detach', '--name', 'proxied-second', '--publish', `${port}:80`, ...SERVE)
    .catch(String);

  assert.include(failure, `Bind for 0.0.0.0:${port} failed: port is already allocated`);
  assert.include(failure, 'driver failed programming external connectivity on endpoint proxied-second');
  assert.equal(await at.run('inspect', '--format', '{{.State.Running}}', 'proxied-second'), 'false');
  // The first one ends, and the port is the second one's.
  await at.run('rm', '--force', 'proxied-first');
  await at.run('start', 'proxied-second');
  assert.equal(await untilHello(port), 'hello\n');
});

test('UDP is refused before anything is made', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();

  const failure = await at.run('run', '--name', 'proxied-udp', '--publish', '5353:53/udp', ...SERVE).catch(String);

  assert.include(failure, 'SSH, which carries TCP alone');
  assert.equal(await at.direct.run(['ps', '--all', '--quiet', '--filter', 'name=proxied-udp']), '');
});

test('ports follow a container through stop, start, restart and a crash, whoever does it', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const port = await freePort();
  await at.run('run', '--detach', '--name', 'proxied-web', '--restart', 'always', '--publish', `${port}:80`, ...SERVE);
  await untilHello(port);

  await at.run('restart', '--time', '0', 'proxied-web');
  await untilHello(port);
  // Of these two the proxy hears by the daemon's events alone.
  await at.direct.run(['stop', '--time', '0', 'proxied-web']);
  await until(
    'the port is free',
    () => say(port),
    (answer) => answer.includes('ECONNREFUSED'),
  );
  await at.direct.run(['start', 'proxied-web']);
  await untilHello(port);
  const pid = await at.direct.run(['inspect', '--format', '{{.State.Pid}}', 'proxied-web']);
  process.kill(Number(pid), 'SIGKILL');
  await until(
    'it is started again',
    () => at.direct.run(['inspect', '--format', '{{.RestartCount}}', 'proxied-web']),
    (count) => count !== '0',
  );

  assert.equal(await untilHello(port), 'hello\n');
  await at.direct.run(['rm', '--force', 'proxied-web']);
  await until(
    'the port is free',
    () => say(port),
    (answer) => answer.includes('ECONNREFUSED'),
  );
});

test('a proxy that was killed leaves containers running, and the next one has their ports where they were', async () => {
  await using at = await setUp();
  const dataDir = join(at.folder, 'data');
  const args = [
    'docker-proxy',
    '--ssh',
    'remote',
    '--ssh-config',
    at.sshd.configFile,
    '--remote-docker',
    at.direct.host,
  ];
  const start = (): ReturnType<typeof startProgram> =>
    startProgram([...args, '--socket', join(at.folder, 'docker.sock')], {
      NEKOGATE_DATA_DIR: dataDir,
      NEKOGATE_LOG_LEVEL: 'error',
    });
  const first = start();
  await first.until(/export DOCKER_HOST=/);
  await at.run('run', '--detach', '--name', 'proxied-web', '--publish', '80', ...SERVE);
  const shown = await at.run('port', 'proxied-web', '80');
  const port = Number(/:(\d+)/.exec(shown)?.[1]);
  await untilHello(port);
  const flood = execa('/usr/bin/docker', ['exec', 'proxied-web', 'yes'], {
    env: { DOCKER_HOST: at.docker.host },
    buffer: false,
    reject: false,
  });
  flood.stdout.resume();
  await once(flood.stdout, 'data');

  first.kill('SIGKILL');
  await first.exited;
  assert.notEqual((await flood).exitCode, 0);
  await using second = start();
  await second.until(/export DOCKER_HOST=/);

  assert.equal(await untilHello(port), 'hello\n');
  assert.equal(await at.run('port', 'proxied-web', '80'), shown);
});

test('when sshd is killed under load its streams fail, and once it is back everything works', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const port = await freePort();
  const flood = `${LISTEN} accept(C, S); print C "x" x 65536 while 1`;
  await at.run(
    'run',
    '--detach',
    '--name',
    'proxied-flood',
    '--publish',
    `${port}:80`,
    '--network',
    NETWORK,
    '--entrypoint',
    'perl',
    DESKTOP_IMAGE,
    '-e',
    flood,
  );
  const socket = createConnection({ port, host: '127.0.0.1' });
  const broken = once(socket.resume(), 'error').then(([error]: unknown[]) => String(error));
  await until(
    'it flows',
    async () => socket.bytesRead,
    (bytes) => bytes > 1_000_000,
  );
  const following = at.run('logs', '--follow', 'proxied-flood').then(
    () => 'ended well',
    () => 'failed',
  );

  await at.sshd.kill();

  assert.include(await broken, 'ECONNRESET');
  assert.equal(await following, 'failed');
  assert.include(await at.run('ps').catch(String), 'no SSH connection to');
  await at.sshd.restart();
  assert.include(await at.run('ps', '--format', '{{.Names}}'), 'proxied-flood');
});

test('run, exec, logs, cp and attach do what they do without a proxy', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const run = ['run', '--rm', '--interactive', '--name', 'proxied-cat', '--entrypoint', 'sh', DESKTOP_IMAGE, '-c'];

  const echoed = await at.docker.run([...run, 'cat; echo after'], { input: 'piped in' });
  const status = await execa('/usr/bin/docker', [...run, 'exit 7'], {
    env: { DOCKER_HOST: at.docker.host },
    reject: false,
  });
  await at.run('run', '--detach', '--name', 'proxied-web', ...SERVE);
  const executed = await at.docker.run(['exec', '--interactive', 'proxied-web', 'cat'], { input: 'x'.repeat(300_000) });
  await writeFile(join(at.folder, 'file'), 'copied');
  await at.run('cp', join(at.folder, 'file'), 'proxied-web:/tmp/there');
  await at.run('cp', 'proxied-web:/tmp/there', join(at.folder, 'back'));
  const terminal = await execa(
    'script',
    [
      '-qec',
      `/usr/bin/docker run --rm -it --name proxied-tty --entrypoint sh ${DESKTOP_IMAGE} -c 'test -t 0 && stty size'`,
      '/dev/null',
    ],
    {
      env: { DOCKER_HOST: at.docker.host },
      stdin: 'ignore',
    },
  );

  assert.equal(echoed, 'piped inafter');
  assert.equal(status.exitCode, 7);
  assert.lengthOf(executed, 300_000);
  assert.equal(await readFile(join(at.folder, 'back'), 'utf8'), 'copied');
  assert.match(terminal.stdout, /\d+ \d+/);
});

test('images are built through the proxy, with BuildKit and without', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const context = join(at.folder, 'context');
  await mkdir(context);
  await writeFile(join(context, 'file'), 'x'.repeat(200_000));
  await writeFile(join(context, 'Dockerfile'), `FROM ${DESKTOP_IMAGE}\nCOPY file /file\nLABEL made=${Date.now()}\n`);
  const build = async (kit: '0' | '1'): Promise<string> => {
    const { all } = await execa('/usr/bin/docker', ['build', '--tag', `nekogate-proxied:${kit}`, context], {
      env: { DOCKER_HOST: at.docker.host, DOCKER_BUILDKIT: kit },
      all: true,
    });
    return all;
  };

  assert.include(await build('1'), 'exporting layers');
  assert.include(await build('0'), 'Successfully built');
  await at.direct.run(['rmi', 'nekogate-proxied:0', 'nekogate-proxied:1']);
});

test('compose brings a service up and down, and shows its port', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const port = await freePort();
  const services = {
    web: {
      image: DESKTOP_IMAGE,
      container_name: 'proxied-compose',
      entrypoint: ['perl', '-e', SERVER],
      ports: [`${port}:80`],
      // Perl as a container's first process does not end when it is asked to.
      stop_signal: 'SIGKILL',
    },
  };
  await writeFile(join(at.folder, 'compose.json'), JSON.stringify({ version: '3', services }));
  const compose = async (...args: string[]): Promise<string> =>
    (
      await execa('docker-compose', ['--project-name', 'proxied', '--file', join(at.folder, 'compose.json'), ...args], {
        env: { DOCKER_HOST: at.docker.host },
      })
    ).stdout;

  await compose('up', '--detach');

  assert.equal(await untilHello(port), 'hello\n');
  assert.include(await compose('ps'), `0.0.0.0:${port}->80/tcp`);
  assert.equal(await compose('port', 'web', '80'), `0.0.0.0:${port}`);
  await compose('up', '--detach', '--force-recreate');
  assert.equal(await untilHello(port), 'hello\n');
  await compose('down');
  await until(
    'the port is free',
    () => say(port),
    (answer) => answer.includes('ECONNREFUSED'),
  );
});

test('what is asked directly and through the proxy is the same', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  const limits = ['--ulimit', 'nofile=1024', '--label', 'ümläut=ß'];
  await at.run('run', '--detach', '--name', 'proxied-plain', ...limits, ...SERVE);
  const ask = async (docker: Docker, path: string): Promise<string> =>
    (await execa('curl', ['--silent', '--unix-socket', docker.host.replace('unix://', ''), `http://docker${path}`]))
      .stdout;

  for (const path of [
    '/containers/proxied-plain/json',
    '/v1.41/containers/json?all=1',
    '/_ping',
    '/containers/none/json',
    `/v1.41/images/${DESKTOP_IMAGE}/json`,
    '/nonsense',
  ])
    assert.equal(await ask(at.docker, path), await ask(at.direct, path), path);
});

test('a container that is made through the proxy is shown as one that is made without it', async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy();
  await mkdir(join(at.folder, 'work'));
  const ports = ['--publish', '8080:80', '--publish', '127.0.0.1::81', '--publish', '9000-9002:82', '--publish-all'];
  const files = [
    '--volume',
    `${at.folder}/work:/work:ro`,
    '--mount',
    `type=bind,source=${at.folder}/work,target=/again`,
    '--mount',
    'type=tmpfs,target=/scratch',
  ];
  const limits = ['--ulimit', 'nofile=1024', '--label', 'own=1', '--restart', 'unless-stopped', '--memory', '64m'];
  // Mounts are in no order.
  const format =
    '{{json .Config}}\n{{json .HostConfig}}\n{{json .NetworkSettings.Ports}}{{range .Mounts}}\n{{json .}}{{end}}';
  const make = async (docker: Docker, name: string): Promise<string[]> => {
    await docker.run(['create', '--hostname', 'same', '--name', name, ...ports, ...files, ...limits, ...SERVE]);
    const inspected = await docker.run(['inspect', '--format', format, name]);
    const listed = await docker.run(['ps', '--all', '--filter', `name=${name}`, '--format', '{{.Ports}},{{.Mounts}}']);
    return [...inspected.split('\n'), ...listed.split(',')].toSorted();
  };

  const [direct, proxied] = [await make(at.direct, 'proxied-direct'), await make(at.docker, 'proxied-through')];

  assert.deepEqual(proxied, direct);
});

test('a daemon on TCP of the remote host is reached, and ports follow through rename and prune', async () => {
  await using at = await setUp();
  const daemon = createServer({ allowHalfOpen: true }, (socket) => {
    const there = createConnection({ path: at.direct.host.replace('unix://', ''), allowHalfOpen: true });
    pipeline(socket, there, socket, () => undefined);
  });
  const port = await listenOnAnyPort(daemon);
  await using _proxy = await at.openProxy({ docker: { kind: 'tcp', host: '127.0.0.1', port } });
  await at.run('run', '--detach', '--name', 'proxied-before', '--publish', '80', ...SERVE);
  const local = Number(/:(\d+)/.exec(await at.run('port', 'proxied-before', '80'))?.[1]);

  await at.run('rename', 'proxied-before', 'proxied-after');

  assert.equal(await untilHello(local), 'hello\n');
  assert.include(await at.run('port', 'proxied-after', '80'), `:${local}`);
  await at.run('stop', '--time', '0', 'proxied-after');
  await at.run('container', 'prune', '--force');
  await until(
    'the port is free',
    () => say(local),
    (answer) => answer.includes('ECONNREFUSED'),
  );
  daemon.close();
});

test('where sshd forwards no unix sockets and allows few sessions, ports, followed logs and many runs at once work all the same', async () => {
  await using at = await setUp(['AllowStreamLocalForwarding no', 'MaxSessions 3']);
  await using _proxy = await at.openProxy();
  const port = await freePort();
  await at.run('run', '--detach', '--name', 'proxied-web', '--publish', `${port}:80`, ...SERVE);
  const followed = at.run('logs', '--follow', 'proxied-web');
  const cat = ['--rm', '--interactive', '--network', NETWORK, '--entrypoint', 'cat', DESKTOP_IMAGE];

  const inputs = ['a', 'b', 'c'];
  const health = async (): Promise<ProxyStatus['ssh']['control']> => {
    const socket = at.docker.host.replace('unix://', '');
    const { stdout } = await execa('curl', ['--silent', '--unix-socket', socket, `http://docker${STATUS_PATH}`]);
    return ProxyStatus.parse(JSON.parse(stdout)).ssh.control;
  };
  const echoed = await Promise.all(
    inputs.map((input) => at.docker.run(['run', '--name', `proxied-cat-${input}`, ...cat], { input })),
  );

  assert.deepEqual(echoed, inputs);
  assert.equal(await untilHello(port), 'hello\n');
  assert.isAbove((await health()).connections, 1);
  await at.run('stop', '--time', '0', 'proxied-web');
  await followed;
  // The proxy's own two, on as many connections at most, and one more for the next who needs it.
  await until('all others are gone', health, ({ channels, connections }) => channels === 2 && connections <= 3);
});

test("what goes beyond a context's limits is refused in Docker's own style, until there is room", async () => {
  await using at = await setUp();
  await using _proxy = await at.openProxy({ limits: { connections: 100, ports: 1, folders: 1 } });
  for (const name of ['one', 'two']) await mkdir(join(at.folder, name));
  const volumes = ['one', 'two'].flatMap((name) => ['--volume', `${at.folder}/${name}:/${name}`]);
  await at.run('run', '--detach', '--name', 'proxied-first', '--publish', '80', ...SERVE);

  const port = await at.run('run', '--detach', '--name', 'proxied-second', '--publish', '80', ...SERVE).catch(String);
  const folder = await at.run('run', '--detach', '--name', 'proxied-third', ...volumes, ...SERVE).catch(String);

  assert.include(port, 'Error response from daemon: no more ports: the docker proxy has 1 at once at most (MaxPorts');
  assert.include(
    folder,
    'Error response from daemon: no more folders: the docker proxy has 1 at once at most (MaxFolders',
  );
  assert.equal(await at.direct.run(['ps', '--filter', 'name=proxied-', '--format', '{{.Names}}']), 'proxied-first');
  await at.run('rm', '--force', 'proxied-first');
  await at.run('start', 'proxied-second');
});

test('where sshd forwards no TCP a start with published ports is refused with the reason, and all else works', async () => {
  await using at = await setUp(['AllowTcpForwarding no', 'AllowStreamLocalForwarding yes']);
  await using _proxy = await at.openProxy();

  const failure = await at.run('run', '--detach', '--name', 'proxied-web', '--publish', '80', ...SERVE).catch(String);

  assert.include(failure, 'Error response from daemon: sshd forbids TCP forwarding (AllowTcpForwarding)');
  assert.equal(await at.run('inspect', '--format', '{{.State.Status}}', 'proxied-web'), 'created');
  await at.run('rm', 'proxied-web');
  await at.run('run', '--detach', '--name', 'proxied-web', ...SERVE);
});
