import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { z } from 'zod';
import { endLeftovers } from '../../src/agent/runtimes/process-leftovers.ts';
import { connectApi, findAdminToken, type CallApi } from '../../src/cli/api.ts';
import { readEnvironment } from '../../src/config.ts';
import { listSessionFolders } from '../../src/desktop/folder.ts';
import { findState } from '../../src/desktop/state.ts';
import { SESSION_DIR_VARIABLE } from '../../src/process/sweep.ts';
import { findEnvironmentOf, isAlive, listProcesses } from '../../src/process/table.ts';
import { isBlue, middleOf, openBrowser, stateOf } from '../harness/browser.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, pidOf, startDesktop, until, type House } from '../harness/house.ts';
import { startProgram, type Program } from '../harness/programs.ts';

const Session = z.object({ state: z.string(), reason: z.object({ code: z.string(), message: z.string() }).nullish() });

test.for(['streamer', 'x-server'] as const)(
  'a desktop whose %s is killed says so, and its viewer has the picture back by itself',
  async (part) => {
    await using house = await openHouse();
    const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
    const { viewUrl } = await grant(house, sessionId, 'viewer');
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(viewUrl);
    await until('the video', () => middleOf(page), isBlue);

    process.kill(await pidOf(house, sessionId, part), 'SIGKILL');

    await until(
      'the session says so',
      () => sessionOf(house.callApi, sessionId),
      ({ state, reason }) => state === 'starting' && reason?.message !== undefined,
    );
    await until(
      'the session runs again',
      () => sessionOf(house.callApi, sessionId),
      ({ state }) => state === 'running',
    );
    await until(
      'the viewer is live again',
      () => stateOf(page),
      (state) => state === 'live',
    );
    await until('the video again', () => middleOf(page), isBlue);
  },
);

test('a gateway that is restarted gets its viewers and sessions back, each viewer in its old login', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const { viewUrl } = await grant(house, sessionId, 'viewer');
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(viewUrl);
  await until('the video', () => middleOf(page), isBlue);

  const [login] = await liveLoginsOf(house, sessionId);
  assert.ok(login);

  await house.restartGateway();

  const [back] = await until(
    'the viewer is back',
    () => liveLoginsOf(house, sessionId),
    ({ length }) => length === 1,
  );
  assert.equal(back?.loginId, login.loginId);
  await until(
    'the page knows it',
    () => stateOf(page),
    (state) => state === 'live',
  );
  assert.ok(isBlue(await middleOf(page)));
  assert.equal((await sessionOf(house.callApi, sessionId)).state, 'running');
});

test('the desktop of an agent that is killed runs on, and the next agent goes on with it and can end it', async () => {
  await using host = await openHost();
  const id = await startTerminal(host);
  const [folder = ''] = listSessionFolders(host.run);

  await host.killAgent();
  const state = await findState(folder);
  assert.ok(state && state.parts.length >= 3);
  await host.startAgent();

  assert.equal((await sessionOf(host.callApi, id)).state, 'running');
  assert.deepEqual((await findState(folder))?.parts, state.parts);
  assert.deepEqual(state.parts.filter(isAlive), state.parts);
  await host.callApi('DELETE', `/api/v1/sessions/${id}`, z.unknown());
  assert.equal((await sessionOf(host.callApi, id)).state, 'stopped');
  assert.deepEqual(state.parts.filter(isAlive), []);
  assert.deepEqual(listSessionFolders(host.run), []);
});

test('an agent that is killed together with its desktop leaves nothing running once the next one has started, and its sessions are told as failed', async () => {
  await using host = await openHost();
  const id = await startTerminal(host);
  const [folder = ''] = listSessionFolders(host.run);

  await host.killAgent();
  const state = await findState(folder);
  assert.ok(state);
  process.kill(state.process.pid, 'SIGKILL');
  await until(
    'the desktop is gone',
    async () => isAlive(state.process),
    (isThere) => !isThere,
  );
  assert.ok(state.parts.filter(isAlive).length >= 3);
  await host.startAgent();

  assert.deepEqual(state.parts.filter(isAlive), []);
  assert.deepEqual(listSessionFolders(host.run), []);
  const session = await sessionOf(host.callApi, id);
  assert.equal(session.state, 'failed');
  assert.match(session.reason?.message ?? '', /agent/);
});

test('an agent that is told to end takes its desktops with it', async () => {
  await using host = await openHost();
  await startTerminal(host);

  await host.killAgent('SIGTERM');

  assert.deepEqual(listSessionFolders(host.run), []);
  assert.deepEqual(processesIn(host.run), []);
});

test('nekogate up prints an address that works, and Ctrl-C leaves no process and no file', async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, 'data');
  const run = join(folder.path, 'run');
  await using up = startProgram(['up', '--port', '0', '--app', 'xterm'], {
    NEKOGATE_DATA_DIR: data,
    NEKOGATE_RUNTIME_DIR: run,
  });
  const [, viewUrl = ''] = await up.until(/Your desktop: +(\S+)/);
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(viewUrl);
  await until(
    'the video',
    () => middleOf(page),
    (colour) => colour !== undefined,
  );

  up.kill('SIGINT');

  assert.deepEqual(await up.exited, { code: 0, signal: null });
  assert.equal(existsSync(run), false);
  assert.deepEqual(processesIn(run), []);
  assert.deepEqual((await readdir(data)).toSorted(), ['admin-token', 'nekogate.db']);
});

test('nekogate up after one that was killed goes on with its desktop, and ends that too', async () => {
  await using folder = await temporaryFolder();
  const places = { NEKOGATE_DATA_DIR: join(folder.path, 'data'), NEKOGATE_RUNTIME_DIR: join(folder.path, 'run') };
  await using killed = startProgram(['up', '--port', '0'], places);
  await killed.until(/Your desktop: +(\S+)/);
  killed.kill('SIGKILL');
  await killed.exited;

  await using up = startProgram(['up', '--port', '0'], places);
  await up.until(/going on with the one that runs since before/);
  await up.until(/Your desktop: +(\S+)/);
  assert.equal(listSessionFolders(places.NEKOGATE_RUNTIME_DIR).length, 1);
  up.kill('SIGINT');

  assert.deepEqual(await up.exited, { code: 0, signal: null });
  assert.deepEqual(processesIn(places.NEKOGATE_RUNTIME_DIR), []);
});

/** Gateway and agent as programs of their own. */
async function openHost() {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const data = join(folder.path, 'data');
  const run = join(folder.path, 'run');
  const env = { NEKOGATE_DATA_DIR: data, NEKOGATE_RUNTIME_DIR: run };
  const gateway = opening.use(startProgram(['gateway', '--port', '0'], env));
  const url = (await gateway.until(/"url":"(http:[^"]+)"/))[1] ?? '';
  const callApi = connectApi(url, await findAdminToken({ ...readEnvironment(), adminToken: undefined, dataDir: data }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: 'host-1' });
  let agent: Program | undefined;
  opening.defer(async () => {
    await agent?.[Symbol.asyncDispose]();
    for (const left of listSessionFolders(run)) await endLeftovers(left);
  });
  const startAgent = async (): Promise<void> => {
    agent = startProgram(['agent', '--gateway', url, '--id', 'host-1'], { ...env, NEKOGATE_AGENT_KEY: key });
    await agent.until(/connected to the gateway/);
  };
  await startAgent();
  const owned = opening.move();
  return {
    run,
    callApi,
    startAgent,
    /** Resolves once the gateway misses it. */
    killAgent: async (signal: NodeJS.Signals = 'SIGKILL') => {
      agent?.kill(signal);
      await agent?.exited;
      await until(
        'the gateway misses the agent',
        () => callApi('GET', '/api/v1/agents/host-1', z.object({ state: z.string() })),
        ({ state }) => state === 'offline',
      );
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startTerminal({ callApi }: { callApi: CallApi }): Promise<string> {
  const Running = z.object({ id: z.string(), state: z.literal('running') });
  return (await callApi('POST', '/api/v1/sessions?wait=ready', Running, { app: ['xterm'], audio: false })).id;
}

async function liveLoginsOf(house: House, sessionId: string): Promise<{ loginId: string }[]> {
  const Logins = z.object({ logins: z.array(z.object({ loginId: z.string(), state: z.enum(['live', 'lost']) })) });
  const { logins } = await house.callApi('GET', `/api/v1/sessions/${sessionId}/logins`, Logins);
  return logins.filter(({ state }) => state === 'live');
}

function sessionOf(callApi: CallApi, sessionId: string): Promise<z.infer<typeof Session>> {
  return callApi('GET', `/api/v1/sessions/${sessionId}`, Session);
}

/** Processes that belong to a desktop in this runtime folder, by the mark that each inherits. */
function processesIn(runtimeDir: string): number[] {
  return listProcesses()
    .filter(({ pid }) => findEnvironmentOf(pid, SESSION_DIR_VARIABLE)?.startsWith(runtimeDir))
    .map(({ pid }) => pid);
}
