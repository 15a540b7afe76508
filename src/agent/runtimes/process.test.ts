import { existsSync, readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, test } from 'vitest';
import { isDeadDisplay, openEnvironment, SILENT, TEST_SLOTS } from '../../../test/harness/desktop.ts';
import type { Environment } from '../../config.ts';
import { findState, readOrder } from '../../desktop/state.ts';
import { GatewayError } from '../../errors.ts';
import { NekoClient } from '../../neko/client.ts';
import { Child } from '../../process/child.ts';
import { findSessionProcesses } from '../../process/sweep.ts';
import { identityOf, isAlive } from '../../process/table.ts';
import { SessionSpec } from '../../protocol/session.ts';
import { reclaimSlot } from '../slots.ts';
import { ProcessRuntime } from './process.ts';
import type { RunningSession, SessionHealth } from './runtime.ts';

const AGENT = fileURLToPath(new URL('../../../test/fixtures/agent-with-a-session.ts', import.meta.url));

test('a session starts with its progress told, serves its neko, and leaves nothing once it is stopped', async () => {
  await using host = await openHost();
  const progress: string[] = [];

  const session = await host.start({ onProgress: (message) => progress.push(message) });
  const folder = host.onlyFolder();
  assert.deepEqual(session.health, { state: 'running' });
  assert.include(progress, 'starting the X server');
  assert.deepEqual(await new NekoClient(session.neko).sessions(), []);
  await session.stop();

  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
});

test('a home stays when its session ends, and is removed with all that is in it once no session has it', async () => {
  await using host = await openHost();
  const session = await host.start({ home: 'ann' });
  const home = join(host.environment.dataDir, 'homes', 'ann');
  await writeFile(join(home, 'kept'), 'text');

  const refused = await failureOf(host.runtime.removeHome('ann'));
  await session.stop();
  const afterStop = existsSync(join(home, 'kept'));
  await host.runtime.removeHome('ann');
  await host.runtime.removeHome('ann');

  assert.equal(refused.code, 'CONFLICT');
  assert.isTrue(afterStop);
  assert.isFalse(existsSync(home));
});

test('a killed streamer is told as a session that starts again, and then runs', async () => {
  await using host = await openHost();
  const session = await host.start();
  const states = recordHealth(session);
  const streamer = (await findState(host.onlyFolder()))?.parts.find(({ name }) => name === 'streamer');

  process.kill(streamer?.pid ?? 0, 'SIGKILL');
  const broken = await states.until('starting');
  await states.until('running');

  assert.match(broken.state === 'starting' ? broken.reason.message : '', /the streamer was ended by SIGKILL/);
  assert.deepEqual(await new NekoClient(session.neko).sessions(), []);
  await session.stop();
});

test('a killed desktop process fails its session, and every part of it is ended', async () => {
  await using host = await openHost();
  const session = await host.start();
  const folder = host.onlyFolder();
  const state = await findState(folder);
  const states = recordHealth(session);

  process.kill(state?.process.pid ?? 0, 'SIGKILL');
  const failed = await states.until('failed');

  assert.equal(failed.state === 'failed' && failed.reason.code, 'DESKTOP_FAILED');
  assert.match(failed.state === 'failed' ? failed.reason.message : '', /was ended by SIGKILL/);
  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
  assert.isFalse(await isDeadDisplay(state?.display));
  await session.stop();
});

test('a session whose program keeps ending does not start, for the reason that its desktop gave', async () => {
  await using host = await openHost();

  const failure = await failureOf(host.start({ app: ['/no/such/program'] }));

  assert.equal(failure.code, 'SESSION_START_FAILED');
  assert.match(failure.message, /\/no\/such\/program is not on this host/);
  assert.isEmpty(host.folders());
});

test('what only a container can give is refused by a host without them', async () => {
  await using host = await openHost();

  for (const wish of [
    { image: 'nekogate/desktop' },
    { mounts: [{ root: 'data', target: '/mnt/x' }] },
    { resources: { cpus: 1 } },
  ]) {
    const start = host.runtime.start('session-1', SessionSpec.parse(wish), {
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    const failure = await failureOf(start);
    assert.equal(failure.code, 'BAD_REQUEST');
    assert.match(failure.message, /can't be had.*--runtime docker/);
  }
});

test('a session called off while it starts leaves nothing behind', async () => {
  await using host = await openHost();
  const calledOff = new AbortController();
  let folder = '';
  const onProgress = (): void => {
    folder = host.onlyFolder();
    calledOff.abort(new GatewayError('SESSION_ENDED', 'called off'));
  };

  const failure = await failureOf(host.start({ onProgress, signal: calledOff.signal }));

  assert.equal(failure.code, 'SESSION_ENDED');
  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
});

test('the desktop of a killed agent runs on, and the next agent takes it over and ends it', async () => {
  await using host = await openHost();
  const { folder, state } = await host.leaveOrphan();
  assert.isNotEmpty(findSessionProcesses(folder));

  const [session] = await host.runtime.recover();
  assert(session);

  assert.equal(session.sessionId, 'orphan-1');
  assert.deepEqual(session.health, { state: 'running' });
  assert.deepEqual((await findState(folder))?.parts, state.parts);
  assert.deepEqual((await readOrder(folder)).owner, identityOf(process.pid));
  assert.deepEqual(await new NekoClient(session.neko).sessions(), []);
  assert(session.tools && 'path' in session.tools);
  assert.isTrue(statSync(session.tools.path).isSocket());
  assert.equal((await failureOf(host.runtime.removeHome('orphaned'))).code, 'CONFLICT');
  await session.stop();
  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
  assert.isFalse(await isDeadDisplay(state.display));
});

test('a desktop that was taken over is watched: a lost part is told, and so is its end', async () => {
  await using host = await openHost();
  const { folder, state } = await host.leaveOrphan();
  const [session] = await host.runtime.recover();
  assert(session);
  const states = recordHealth(session);

  process.kill(state.parts.find(({ name }) => name === 'streamer')?.pid ?? 0, 'SIGKILL');
  await states.until('starting');
  await states.until('running');
  process.kill(state.process.pid, 'SIGKILL');
  const failed = await states.until('failed');

  assert.equal(failed.state === 'failed' && failed.reason.code, 'DESKTOP_FAILED');
  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
  await session.stop();
});

test('of two agents that start at once one takes the desktop over, and its ports are its own', async () => {
  await using host = await openHost();
  const { order } = await host.leaveOrphan();
  const other = new ProcessRuntime({ environment: host.environment, log: SILENT, slots: TEST_SLOTS });

  const sessions = (await Promise.all([host.runtime.recover(), other.recover()])).flat();

  assert.lengthOf(sessions, 1);
  assert.isUndefined(await reclaimSlot(order.ports));
  await sessions[0]?.stop();
  const freed = await reclaimSlot(order.ports);
  assert.isDefined(freed);
  await freed?.release();
});

test('what is left of a killed agent whose desktop was killed too is ended by the next agent', async () => {
  await using host = await openHost();
  const { folder, state } = await host.leaveOrphan();
  process.kill(state.process.pid, 'SIGKILL');
  while (isAlive(state.process)) await new Promise((resolve) => setImmediate(resolve));
  assert.isNotEmpty(findSessionProcesses(folder));

  const sessions = await host.runtime.recover();

  assert.isEmpty(sessions);
  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
  assert.isFalse(await isDeadDisplay(state.display));
});

test('sessions of an agent that lives are left alone by another one', async () => {
  await using host = await openHost();
  await using session = await host.start();

  const taken = await host.runtime.recover();

  assert.deepEqual(taken, []);
  assert.equal(session.health.state, 'running');
  await new NekoClient(session.neko).health();
});

test('a start on a machine without an X server names what to install', async () => {
  await using host = await openHost({ path: '/nowhere' });

  const failure = await failureOf(host.start());

  assert.equal(failure.code, 'DEPENDENCY_MISSING');
  assert.match(failure.message, /apt-get install tigervnc-standalone-server openbox/);
});

interface StartChanges {
  app?: string[];
  home?: string;
  onProgress?: (message: string) => void;
  signal?: AbortSignal;
}

async function openHost(changes: Partial<Environment> = {}) {
  const opened = await openEnvironment();
  const environment = { ...opened.environment, ...changes };
  const runtime = new ProcessRuntime({ environment, log: SILENT, slots: TEST_SLOTS });
  const parent = join(environment.runtimeDir, 's');
  const folders = (): string[] => (existsSync(parent) ? readdirSync(parent) : []);
  return {
    environment,
    runtime,
    folders,
    onlyFolder: () => join(parent, folders()[0] ?? 'none'),
    start: async ({
      app = ['xterm'],
      home,
      onProgress = () => undefined,
      signal = new AbortController().signal,
    }: StartChanges = {}) => {
      const spec = SessionSpec.parse({ app, home, audio: false, screen: { width: 640, height: 480 } });
      const session = await runtime.start('session-1', spec, { signal, onProgress });
      return Object.assign(session, { [Symbol.asyncDispose]: () => session.stop() });
    },
    /** A session whose agent was killed. */
    leaveOrphan: async () => {
      const agent = await startAgentProcess(environment);
      const folder = join(parent, folders()[0] ?? 'none');
      const state = await findState(folder);
      assert(state);
      process.kill(agent.identity?.pid ?? 0, 'SIGKILL');
      await agent.exited;
      return { folder, state, order: await readOrder(folder) };
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function recordHealth(session: RunningSession) {
  const seen: SessionHealth[] = [];
  let wake: (() => void) | undefined;
  session.onHealth((health) => {
    seen.push(health);
    wake?.();
  });
  return {
    /** Resolves with the next state of this name that was not asked for yet. */
    until: async (state: SessionHealth['state']): Promise<SessionHealth> => {
      for (;;) {
        for (let health = seen.shift(); health; health = seen.shift()) if (health.state === state) return health;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

async function startAgentProcess({ runtimeDir, dataDir, path, nekoBin }: Environment): Promise<Child> {
  const env = {
    PATH: path,
    NEKOGATE_RUNTIME_DIR: runtimeDir,
    NEKOGATE_DATA_DIR: dataDir,
    ...(nekoBin === undefined ? {} : { NEKO_BIN: nekoBin }),
  };
  const options = { name: 'the agent', file: process.execPath, args: [AGENT], env, cwd: '/' };
  return Child.start(
    options,
    async (child, signal) => void (await child.untilLine('stdout', /^running$/, signal)),
    new AbortController().signal,
  );
}

async function failureOf(start: Promise<unknown>): Promise<GatewayError> {
  try {
    await start;
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('it started');
}
