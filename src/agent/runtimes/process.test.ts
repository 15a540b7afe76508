import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, test } from 'vitest';
import { isDeadDisplay, openEnvironment, SILENT, TEST_SLOTS } from '../../../test/harness/desktop.ts';
import type { Environment } from '../../config.ts';
import { findState } from '../../desktop/state.ts';
import { GatewayError } from '../../errors.ts';
import { NekoClient } from '../../neko/client.ts';
import { Child } from '../../process/child.ts';
import { findSessionProcesses } from '../../process/sweep.ts';
import { SessionSpec } from '../../protocol/session.ts';
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

test('what a killed agent left running is found and ended by the next one', async () => {
  await using host = await openHost();
  await using agent = await startAgentProcess(host.environment);
  const folder = host.onlyFolder();
  const state = await findState(folder);
  process.kill(agent.identity?.pid ?? 0, 'SIGKILL');
  await agent.exited;
  assert.isNotEmpty(findSessionProcesses(folder));

  const ended = await host.runtime.recover();

  assert.deepEqual(ended, ['orphan-1']);
  assert.isEmpty(findSessionProcesses(folder));
  assert.isEmpty(host.folders());
  assert.isFalse(await isDeadDisplay(state?.display));
});

test('sessions of an agent that lives are left alone by another one', async () => {
  await using host = await openHost();
  await using session = await host.start();

  const ended = await host.runtime.recover();

  assert.deepEqual(ended, []);
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
      onProgress = () => undefined,
      signal = new AbortController().signal,
    }: StartChanges = {}) => {
      const spec = SessionSpec.parse({ app, audio: false, screen: { width: 640, height: 480 } });
      const session = await runtime.start('session-1', spec, { signal, onProgress });
      return Object.assign(session, { [Symbol.asyncDispose]: () => session.stop() });
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

async function startAgentProcess({ runtimeDir, path, nekoBin }: Environment): Promise<Child> {
  const env = { PATH: path, NEKOGATE_RUNTIME_DIR: runtimeDir, ...(nekoBin === undefined ? {} : { NEKO_BIN: nekoBin }) };
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
