import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { z } from 'zod';
import { connectApi, findAdminToken, type CallApi } from '../../src/cli/api.ts';
import { readEnvironment } from '../../src/config.ts';
import { listSessionFolders } from '../../src/desktop/folder.ts';
import { findState } from '../../src/desktop/state.ts';
import { SESSION_DIR_VARIABLE } from '../../src/process/sweep.ts';
import { findEnvironmentOf, isAlive, listProcesses } from '../../src/process/table.ts';
import { isBlue, middleOf, openBrowser, stateOf } from '../harness/browser.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until, type House } from '../harness/house.ts';
import { startProgram } from '../harness/programs.ts';

const Session = z.object({ state: z.string(), reason: z.object({ code: z.string(), message: z.string() }).nullish() });

test.for(['streamer', 'x-server'])(
  'a desktop whose %s is killed says so, and its viewer has the picture back by itself',
  async (part) => {
    await using house = await openHouse();
    const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
    const { viewUrl } = await grant(house, sessionId, 'viewer');
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(viewUrl);
    await until('the video', () => middleOf(page), isBlue);

    process.kill(await pidOf(house, part), 'SIGKILL');

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

test('a gateway that is restarted gets its viewers and sessions back', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const { viewUrl } = await grant(house, sessionId, 'viewer');
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(viewUrl);
  await until('the video', () => middleOf(page), isBlue);

  await house.restartGateway();

  await until(
    'the viewer notices',
    () => stateOf(page),
    (state) => state !== 'live',
  );
  await until(
    'the viewer is back',
    () => stateOf(page),
    (state) => state === 'live',
  );
  assert.equal((await sessionOf(house.callApi, sessionId)).state, 'running');
});

test('an agent that is killed leaves nothing running once the next one has started, and its sessions are told as failed', async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, 'data');
  const run = join(folder.path, 'run');
  const env = { NEKOGATE_DATA_DIR: data, NEKOGATE_RUNTIME_DIR: run };
  await using gateway = startProgram(['gateway', '--port', '0'], env);
  const url = (await gateway.until(/"url":"(http:[^"]+)"/))[1] ?? '';
  const callApi = connectApi(url, await findAdminToken({ ...readEnvironment(), adminToken: undefined, dataDir: data }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: 'host-1' });
  const agentArgs = ['agent', '--gateway', url, '--id', 'host-1'];
  await using first = startProgram(agentArgs, { ...env, NEKOGATE_AGENT_KEY: key });
  await first.until(/connected to the gateway/);
  const { id } = await callApi(
    'POST',
    '/api/v1/sessions?wait=ready',
    z.object({ id: z.string(), state: z.literal('running') }),
    { app: ['xterm'], audio: false },
  );

  first.kill('SIGKILL');
  await first.exited;
  await until(
    'the gateway misses the agent',
    () => callApi('GET', '/api/v1/agents/host-1', z.object({ state: z.string() })),
    ({ state }) => state === 'offline',
  );
  const orphans = listSessionFolders(run);
  assert.equal(orphans.length, 1);
  const parts = (await findState(orphans[0] ?? ''))?.parts ?? [];
  assert.ok(parts.length >= 3);
  await using second = startProgram(agentArgs, { ...env, NEKOGATE_AGENT_KEY: key });
  await second.until(/connected to the gateway/);

  assert.deepEqual(parts.filter(isAlive), []);
  assert.deepEqual(listSessionFolders(run), []);
  const session = await until(
    'the session has failed',
    () => sessionOf(callApi, id),
    ({ state }) => state === 'failed',
  );
  assert.match(session.reason?.message ?? '', /agent/);
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

async function pidOf(house: House, part: string): Promise<number> {
  const [folder = ''] = listSessionFolders(house.environment.runtimeDir);
  const found = (await findState(folder))?.parts.find(({ name }) => name === part);
  if (!found) throw new Error(`the desktop has no part "${part}"`);
  return found.pid;
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
