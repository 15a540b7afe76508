import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'undici';
import { assert, test } from 'vitest';
import { z } from 'zod';
import type { DockerRuntime } from '../../src/agent/runtimes/docker.ts';
import type { RunningSession } from '../../src/agent/runtimes/runtime.ts';
import { GatewayError, type FailureCode } from '../../src/errors.ts';
import { SessionSpec } from '../../src/protocol/session.ts';
import { openDaemonLink, openDockerHost, untilHealth, type DockerHost } from '../harness/docker-runtime.ts';
import { temporaryFolder } from '../harness/folder.ts';

test('a session is a container with limits, without capabilities, on a network of its own, with its ports one to one', async () => {
  await using host = await openDockerHost(24_000);
  const runtime = host.open();

  const session = await host.start(runtime, 's-1', { resources: { cpus: 0.5, memoryMb: 256, pids: 100, shmMb: 64 } });

  const { HostConfig, State, Config, NetworkSettings } = await inspect(host, 's-1');
  assert.equal(State.Status, 'running');
  assert.deepInclude(HostConfig, {
    NanoCpus: 5e8,
    Memory: 256 * 1024 * 1024,
    MemorySwap: 256 * 1024 * 1024,
    PidsLimit: 100,
    ShmSize: 64 * 1024 * 1024,
    CapDrop: ['ALL'],
    CapAdd: null,
    Privileged: false,
    Init: true,
    NetworkMode: 'nekogate-s-1',
    Binds: null,
  });
  assert.include(HostConfig.SecurityOpt, 'no-new-privileges:true');
  assert.deepEqual(HostConfig.PortBindings, {
    '24000/udp': [{ HostIp: '', HostPort: '24000' }],
    '24001/udp': [{ HostIp: '', HostPort: '24001' }],
  });
  assert.deepEqual(Object.keys(NetworkSettings.Networks), ['nekogate-s-1']);
  assert.equal(Config.Labels['nekogate.agent'], host.agentId);
  // Its password is where it must be, and nowhere else.
  assert.notInclude(JSON.stringify(Config.Labels), session.neko.adminPassword);
  assert.isTrue(existsSync(session.folder));

  await session.stop();

  assert.deepEqual(await host.left(), []);
  assert.isFalse(existsSync(session.folder));
  assert.equal(runtime.freeSlots, 4);
});

test('an image that starts as root is refused, unless the operator lets it; then it may become other users, and nothing more', async () => {
  await using host = await openDockerHost(24_180);
  const image = 'nekogate/desktop-rooted:test';
  await host.docker.run(['build', '--quiet', '--tag', image, '-'], { input: `FROM ${host.image}\nUSER root\n` });

  const refused = await failureOf(host.start(host.open(), 's-1', { image }));
  assert.equal(refused.code, 'POLICY_REFUSED');
  assert.match(refused.message, /starts as root.*--allow-root-image/);

  await using stack = new AsyncDisposableStack();
  const session = await host.start(host.open({ allowRootImages: [image] }), 's-1', { image });
  stack.defer(() => session.stop());
  const run = (...args: string[]): Promise<string> => host.docker.run(['exec', 'nekogate-s-1', ...args]);

  assert.equal(await run('setpriv', '--reuid=1000', '--regid=1000', '--clear-groups', 'id', '-u'), '1000');
  // CAP_CHOWN 0, CAP_DAC_OVERRIDE 1, CAP_FOWNER 3, CAP_KILL 5, CAP_SETGID 6, CAP_SETUID 7 (linux/capability.h).
  assert.match(await run('cat', '/proc/1/status'), /CapEff:\t00000000000000eb\n/);
});

test('with udpmux a session has one port, and neko is told so', async () => {
  await using host = await openDockerHost(24_190);
  const runtime = host.open({ udpMux: true });

  const sessions = await Promise.all(['s-1', 's-2'].map((id) => host.start(runtime, id)));

  const made = await Promise.all(['s-1', 's-2'].map((id) => inspect(host, id)));
  assert.sameMembers(
    made.flatMap(({ HostConfig }) => Object.keys(HostConfig.PortBindings)),
    ['24190/udp', '24191/udp'],
  );
  for (const { Config, HostConfig } of made) {
    const [port = ''] = Object.keys(HostConfig.PortBindings);
    assert.include(Config.Env, `NEKO_WEBRTC_UDPMUX=${port.replace('/udp', '')}`);
    assert.isFalse(Config.Env.some((entry) => entry.startsWith('NEKO_WEBRTC_EPR=')));
  }
  await Promise.all(sessions.map((session) => session.stop()));
});

test('a container that ends is started again, and its session runs on with its password', async () => {
  await using host = await openDockerHost(24_010);
  const session = await host.start(host.open(), 's-1');
  const { adminPassword } = session.neko;

  await tell(session, '/exit?code=3');
  const lost = await untilHealth(session, ({ state }) => state === 'starting');
  await untilHealth(session, ({ state }) => state === 'running');

  assert.deepEqual(lost, {
    state: 'starting',
    reason: { code: 'CONTAINER_LOST', message: "the session's container exited with code 3" },
  });
  assert.equal(session.neko.adminPassword, adminPassword);
  assert.equal((await request(`${session.neko.baseUrl}/health`)).statusCode, 200);
});

test('a container that ends again and again is given up with its exit code and the end of its log, and nothing is left', async () => {
  await using host = await openDockerHost(24_020);
  const session = await host.start(host.open(), 's-1');

  for (let times = 0; times < 3; times += 1) {
    await untilHealth(session, ({ state }) => state === 'running');
    await tell(session, '/exit?code=7');
    await untilHealth(session, ({ state }) => state !== 'running');
  }
  const failed = await untilHealth(session, ({ state }) => state === 'failed');

  assert.deepEqual(failed, {
    state: 'failed',
    reason: {
      code: 'CONTAINER_LOST',
      message: "the session's container exited with code 7, and again after every restart",
    },
    logTail: ['told to exit', 'told to exit', 'told to exit'],
    exitCode: 7,
  });
  assert.deepEqual(await host.left(), []);
});

test('a session whose neko does not answer is starting until it does, in the container that it has', async () => {
  await using host = await openDockerHost(24_230);
  const session = await host.start(host.open(), 's-1');
  const container = await host.docker.run(['inspect', '--format', '{{.Id}} {{.State.StartedAt}}', 'nekogate-s-1']);

  await tell(session, '/deaf?ms=6000');
  const lost = await untilHealth(session, ({ state }) => state === 'starting');
  await untilHealth(session, ({ state }) => state === 'running');

  assert.isTrue(lost.state === 'starting' && lost.reason.code === 'STREAMER_LOST', JSON.stringify(lost));
  assert.equal(
    await host.docker.run(['inspect', '--format', '{{.Id}} {{.State.StartedAt}}', 'nekogate-s-1']),
    container,
  );
});

test('a container that was killed is told with its signal', async () => {
  await using host = await openDockerHost(24_030);
  const session = await host.start(host.open(), 's-1');

  await host.docker.run(['kill', 'nekogate-s-1']);
  const lost = await untilHealth(session, ({ state }) => state === 'starting');

  assert.deepInclude(lost, {
    reason: { code: 'CONTAINER_LOST', message: "the session's container exited with code 137 (signal 9)" },
  });
});

test('a session that uses more memory than it has is told so', async () => {
  await using host = await openDockerHost(24_040);
  const session = await host.start(host.open(), 's-1', { resources: { cpus: 1, memoryMb: 128, pids: 100, shmMb: 64 } });

  await tell(session, '/eat');
  const lost = await untilHealth(session, ({ state }) => state === 'starting');

  assert.isTrue(lost.state === 'starting' && lost.reason.code === 'OUT_OF_MEMORY', JSON.stringify(lost));
  assert.match(JSON.stringify(lost), /more than its 128 MiB of memory/);
});

test('a container that somebody removed fails its session', async () => {
  await using host = await openDockerHost(24_050);
  const session = await host.start(host.open(), 's-1');

  await host.docker.run(['rm', '--force', 'nekogate-s-1']);
  const failed = await untilHealth(session, ({ state }) => state === 'failed');

  assert.match(JSON.stringify(failed), /removed by somebody else/);
  assert.deepEqual(await host.left(), []);
});

test('a container that ends before it is ready leaves nothing, and its log tells why', async () => {
  await using host = await openDockerHost(24_060);
  const runtime = host.open();

  const error = await failureOf(host.start(runtime, 's-1', { environment: { DIE_AT_START: '9' } }));

  assert.equal(error.code, 'SESSION_START_FAILED');
  assert.match(error.message, /exited with code 9 before it was ready: told to die at its start/);
  await assertNothingLeft(host, runtime);
});

test('a start that is called off leaves nothing', async () => {
  await using host = await openDockerHost(24_070);
  const runtime = host.open();
  const abort = new AbortController();
  const starting = runtime.start('s-1', SessionSpec.parse({}), {
    signal: abort.signal,
    onProgress: (message) => {
      if (message === 'waiting for the first frame') abort.abort(new GatewayError('SESSION_ENDED', 'called off'));
    },
  });

  const error = await failureOf(starting);

  assert.equal(error.code, 'SESSION_ENDED');
  await assertNothingLeft(host, runtime);
});

test.for<[what: string, image: string, code: FailureCode, message: RegExp]>([
  ['is not on the list', 'debian:trixie-slim', 'POLICY_REFUSED', /not on this host's list .* --allow-image/],
  [
    'nobody has',
    'nekogate/desktop-nobody-has:1',
    'IMAGE_MISSING',
    /can't be pulled: .*docker pull, docker load or docker build/s,
  ],
  ['is at a registry that nobody reaches', '127.0.0.1:9/nekogate/desktop:1', 'IMAGE_MISSING', /connection refused/],
])('an image that %s is told with the way out', async ([, image, code, message]) => {
  await using host = await openDockerHost(24_080);
  const runtime = host.open({ allowImages: ['nekogate/desktop*', '127.0.0.1:9/*'] });

  const error = await failureOf(host.start(runtime, 's-1', { image }));

  assert.equal(error.code, code);
  assert.match(error.message, message);
  await assertNothingLeft(host, runtime);
});

test('sessions as many as there are slices start at once, one more is refused, and one that stops makes room', async () => {
  await using host = await openDockerHost(24_090);
  const runtime = host.open();
  const socket = createSocket('udp4').bind(24_093);
  await once(socket, 'listening');

  const sessions = await Promise.all(['s-1', 's-2', 's-3'].map((id) => host.start(runtime, id)));
  const error = await failureOf(host.start(runtime, 's-4'));
  await sessions[1]?.stop();
  const again = await host.start(runtime, 's-4');

  assert.equal(error.code, 'PORTS_EXHAUSTED');
  const ports = await Promise.all(
    ['s-1', 's-3', 's-4'].map(async (id) => (await inspect(host, id)).Config.Labels['nekogate.ports']),
  );
  assert.sameMembers(ports, ['24090-24091', '24094-24095', '24096-24097']);
  socket.close();
  await Promise.all([...sessions, again].map((session) => session.stop()));
  assert.deepEqual(await host.left(), []);
});

test('ports that only Docker finds taken are given up for others', async () => {
  await using host = await openDockerHost(24_220);
  const runtime = host.open();
  // A look at IPv4 doesn't see it, and Docker publishes on both.
  const socket = createSocket({ type: 'udp6', ipv6Only: true }).bind(24_221, '::');
  await once(socket, 'listening');

  const session = await host.start(runtime, 's-1');

  assert.equal((await inspect(host, 's-1')).Config.Labels['nekogate.ports'], '24222-24223');
  assert.lengthOf(await host.left(), 2);
  socket.close();
  await session.stop();
});

test('a session is frozen and goes on', async () => {
  await using host = await openDockerHost(24_100);
  const session = await host.start(host.open(), 's-1');

  await session.pause();
  const paused = (await inspect(host, 's-1')).State;
  const { state } = session.health;
  await session.resume();
  const resumed = (await inspect(host, 's-1')).State;

  assert.isTrue(paused.Paused);
  assert.equal(state, 'paused');
  assert.isFalse(resumed.Paused);
  assert.equal(session.health.state, 'running');
});

test('a session that is frozen can be stopped', async () => {
  await using host = await openDockerHost(24_110);
  const session = await host.start(host.open(), 's-1', { home: `home-${host.agentId}` });
  await session.pause();

  await session.stop();

  assert.deepEqual(await host.left(), []);
});

test('a home outlives its session, and one session at a time has it', async () => {
  await using host = await openDockerHost(24_120);
  const runtime = host.open();
  const home = `home-${host.agentId}`;
  const first = await host.start(runtime, 's-1', { home });
  await tell(first, '/write?text=kept');

  const error = await failureOf(host.start(runtime, 's-2', { home }));
  await first.stop();
  const second = await host.start(runtime, 's-2', { home });
  const text = await host.docker.run(['exec', 'nekogate-s-2', 'cat', '/home/nekogate/kept']);

  assert.equal(error.code, 'CONFLICT');
  assert.equal(text, 'kept');
  await second.stop();
});

test('a session has folders of a declared root, to read or to write, and none once a link is in its place', async () => {
  await using host = await openDockerHost(24_210);
  await using shared = await temporaryFolder();
  for (const name of ['read', 'write']) await mkdir(join(shared.path, name), { mode: 0o777 });
  await chmod(join(shared.path, 'write'), 0o777);
  await chmod(shared.path, 0o755);
  await writeFile(join(shared.path, 'read', 'text'), 'from the host');
  const runtime = host.open({ mountRoots: [{ name: 'shared', path: shared.path, isWritable: true }] });
  await using stack = new AsyncDisposableStack();
  const session = await host.start(runtime, 's-1', {
    mounts: [
      { root: 'shared', path: 'read', target: '/mnt/read', readOnly: true },
      { root: 'shared', path: 'write', target: '/mnt/write', readOnly: false },
    ],
  });
  stack.defer(() => session.stop());
  const run = (command: string): Promise<string> =>
    host.docker.run(['exec', 'nekogate-s-1', 'sh', '-c', `(${command}) 2>&1 || true`]);

  assert.equal(await run('cat /mnt/read/text'), 'from the host');
  assert.match(await run('echo x > /mnt/read/text'), /Read-only file system/);
  await run('echo back > /mnt/write/text');
  assert.equal(await readFile(join(shared.path, 'write', 'text'), 'utf8'), 'back\n');

  await rm(join(shared.path, 'write'), { recursive: true });
  await symlink('/etc', join(shared.path, 'write'));
  await host.docker.run(['kill', 'nekogate-s-1']);

  const failed = await untilHealth(session, ({ state }) => state === 'failed');
  assert.equal(failed.state === 'failed' && failed.reason.code, 'POLICY_REFUSED');
});

test('a home is removed once no session has it, and only where it is of this agent', async () => {
  await using host = await openDockerHost(24_200);
  const runtime = host.open();
  const home = `home-${host.agentId}`;
  const volume = `nekogate-home-${home}`;
  const volumes = (): Promise<string> => host.docker.run(['volume', 'ls', '--quiet', '--filter', `name=${volume}`]);
  const session = await host.start(runtime, 's-1', { home });

  const refused = await failureOf(runtime.removeHome(home));
  await session.stop();
  const another = await failureOf(host.open({ agentId: 'another' }).removeHome(home));
  const kept = await volumes();
  await runtime.removeHome(home);
  await runtime.removeHome(home);

  assert.deepEqual([refused.code, another.code], ['CONFLICT', 'CONFLICT']);
  assert.equal(kept, volume);
  assert.equal(await volumes(), '');
});

test("what an earlier start of the same session left is replaced, and what is somebody else's is not", async () => {
  await using host = await openDockerHost(24_210);
  const runtime = host.open();
  const make = (name: string, ...labels: string[]): Promise<string> =>
    host.docker.run(['create', '--name', name, ...labels.flatMap((label) => ['--label', label]), host.image]);
  await make('nekogate-s-1', `nekogate.agent=${host.agentId}`, 'nekogate.session=s-1');
  await host.docker.run([
    'network',
    'create',
    '--label',
    `nekogate.agent=${host.agentId}`,
    '--label',
    'nekogate.session=s-1',
    'nekogate-s-1',
  ]);
  await using stack = new AsyncDisposableStack();
  const foreign = await make(`nekogate-${host.agentId}`);
  stack.defer(() => host.docker.run(['rm', foreign]).then(() => undefined));

  const session = await host.start(runtime, 's-1');
  const error = await failureOf(host.start(runtime, host.agentId));

  assert.equal(session.health.state, 'running');
  assert.lengthOf(await host.left(), 2);
  assert.equal(error.code, 'DOCKER_FAILED');
  assert.match(error.message, /is already in use/);
  await session.stop();
});

test("the next agent takes over what runs, frozen or not, starts again what ended, and removes what can't go on", async () => {
  await using host = await openDockerHost(24_130);
  const killed = host.open();
  const running = await host.start(killed, 'runs');
  const frozen = await host.start(killed, 'frozen');
  await frozen.pause();
  await host.start(killed, 'ended');
  // As if it had been killed: nothing is stopped, and the kernel takes its claims back.
  await killed.close();
  await host.docker.run(['kill', 'nekogate-ended']);
  await host.docker.run([
    'create',
    '--name',
    'nekogate-made',
    '--label',
    `nekogate.agent=${host.agentId}`,
    '--label',
    'nekogate.session=made',
    host.image,
  ]);
  await host.docker.run(['network', 'create', '--label', `nekogate.agent=${host.agentId}`, 'nekogate-lone']);

  const adopted = await host.open().recover();

  const byId = new Map(adopted.map((session) => [session.sessionId, session]));
  assert.sameMembers([...byId.keys()], ['runs', 'frozen', 'ended']);
  assert.deepEqual(byId.get('runs')?.neko, running.neko);
  assert.equal(byId.get('runs')?.health.state, 'running');
  assert.equal(byId.get('frozen')?.health.state, 'paused');
  const ended = byId.get('ended');
  assert.isDefined(ended);
  await untilHealth(ended, ({ state }) => state === 'running');
  assert.lengthOf(await host.left(), 6);
  await Promise.all(adopted.map((session) => session.stop()));
  assert.deepEqual(await host.left(), []);
  assert.deepEqual(await readdir(join(host.runtimeDir, 'c')), []);
});

test('what a living agent has is left alone by another of its id', async () => {
  await using host = await openDockerHost(24_140);
  const session = await host.start(host.open(), 's-1');

  const adopted = await host.open().recover();

  assert.deepEqual(adopted, []);
  assert.equal(session.health.state, 'running');
  assert.lengthOf(await host.left(), 2);
});

test('while Docker is away sessions run on, and what happened meanwhile is seen when it is back', async () => {
  await using host = await openDockerHost(24_150);
  await using link = await openDaemonLink(host.docker);
  const runtime = host.open({ dockerHost: link.host });
  const kept = await host.start(runtime, 'kept');
  const killed = await host.start(runtime, 'killed');

  await link.cut();
  const error = await failureOf(host.start(runtime, 's-3'));
  await host.docker.run(['kill', 'nekogate-killed']);
  const lost = await untilHealth(killed, ({ state }) => state === 'starting');
  await link.mend();
  await untilHealth(killed, ({ state }) => state === 'running');

  assert.equal(error.code, 'DOCKER_UNAVAILABLE');
  assert.match(error.message, /is dockerd running\?/);
  assert.deepInclude(lost, { state: 'starting' });
  assert.equal(kept.health.state, 'running');
});

test('a session that is stopped while Docker is away is removed when it is back', async () => {
  await using host = await openDockerHost(24_160);
  await using link = await openDaemonLink(host.docker);
  const session = await host.start(host.open({ dockerHost: link.host }), 's-1');

  await link.cut();
  const stopped = session.stop();
  await link.mend();
  await stopped;

  assert.deepEqual(await host.left(), []);
});

test('without Docker an agent does not start, and says why', async () => {
  await using host = await openDockerHost(24_170);

  for (const dockerHost of ['unix:///nowhere/docker.sock', 'tcp://127.0.0.1:9', 'ssh://example'])
    assert.equal(
      (await failureOf(new Promise((resolve) => resolve(host.open({ dockerHost }).recover())))).code,
      'DOCKER_UNAVAILABLE',
      dockerHost,
    );
});

async function failureOf(doing: Promise<unknown>): Promise<GatewayError> {
  try {
    await doing;
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('it worked');
}

async function assertNothingLeft(host: DockerHost, runtime: DockerRuntime): Promise<void> {
  assert.deepEqual(await host.left(), []);
  assert.equal(runtime.freeSlots, 4);
  assert.deepEqual(await readdir(join(host.runtimeDir, 'c')).catch(() => []), []);
}

/** Tells the program in a session's container what to do; it may not live to answer. */
async function tell(session: RunningSession, path: string): Promise<void> {
  await request(`${session.neko.baseUrl}${path}`).catch(() => undefined);
}

const Inspected = z.object({
  HostConfig: z.looseObject({ SecurityOpt: z.array(z.string()), PortBindings: z.record(z.string(), z.unknown()) }),
  State: z.object({ Status: z.string(), Paused: z.boolean() }),
  Config: z.object({ Labels: z.record(z.string(), z.string()), Env: z.array(z.string()) }),
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()) }),
});

async function inspect(host: DockerHost, sessionId: string): Promise<z.infer<typeof Inspected>> {
  const [found] = z.array(Inspected).parse(JSON.parse(await host.docker.run(['inspect', `nekogate-${sessionId}`])));
  assert.isDefined(found);
  return found;
}
