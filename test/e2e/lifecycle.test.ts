import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { z } from 'zod';
import { listSessionFolders, makeHomeFolder } from '../../src/desktop/folder.ts';
import { framesOf, openBrowser } from '../harness/browser.ts';
import { openHouse, until, type House } from '../harness/house.ts';
import { openViewer, untilLive } from '../harness/viewer.ts';

const SCREEN = { width: 400, height: 300 };
/** Its picture changes with every line that it writes, so frames come for as long as it runs. */
const BUSY = ['xterm', '-e', 'sh', '-c', 'while :; do date +%N; sleep 0.05; done'];
/** A stream that has ended shows nothing new for so long. */
const STILL_MS = 2000;
/** More than a browser takes to come in. */
const IDLE_SECONDS = 8;

const Session = z.object({
  id: z.string(),
  state: z.string(),
  reason: z.object({ code: z.string(), message: z.string() }).nullish(),
  template: z.object({ id: z.string(), revision: z.number() }).nullish(),
  logins: z.number(),
});
type Session = z.infer<typeof Session>;

async function startSession(house: House, spec: object): Promise<Session> {
  const session = await house.callApi('POST', '/api/v1/sessions?wait=ready', Session, spec);
  assert.equal(session.state, 'running', JSON.stringify(session.reason));
  return session;
}

function act(house: House, { id }: Session, action: string): Promise<Session> {
  return house.callApi('POST', `/api/v1/sessions/${id}/${action}?wait=ready`, Session);
}

function untilState(house: House, { id }: Session, state: string): Promise<Session> {
  return until(
    `the session is ${state}`,
    () => house.callApi('GET', `/api/v1/sessions/${id}`, Session),
    (session) => session.state === state,
  );
}

/** Writes a line of its own into its home each time it starts, and waits. */
function diary(line: string): string[] {
  return ['xterm', '-e', 'sh', '-c', `echo ${line} >> "$HOME/diary"; exec sleep 1000`];
}

test('a paused session shows nothing new, keeps who is in it, and goes on when it is resumed', async () => {
  await using house = await openHouse();
  await using browser = await openBrowser();
  const session = await startSession(house, { app: BUSY, audio: false, screen: SCREEN });
  const page = await openViewer(browser, house, session.id);

  const paused = await act(house, session, 'pause');
  // What was on its way when it froze still comes.
  await page.waitForTimeout(1000);
  const frozen = await framesOf(page);
  await page.waitForTimeout(STILL_MS);
  const still = await framesOf(page);
  const said = await page.getByText('This session is paused').isVisible();
  const resumed = await act(house, session, 'resume');
  await until(
    'frames after the pause',
    () => framesOf(page),
    (frames) => frames >= still + 10,
  );
  await untilLive(page);

  assert.equal(paused.state, 'paused');
  assert.equal(still, frozen);
  assert(said);
  assert.deepEqual([resumed.state, resumed.logins], ['running', 1]);
});

test('what a hibernated session had in its home is there when it is woken, and it can be watched again', async () => {
  await using house = await openHouse();
  await using browser = await openBrowser();
  const session = await startSession(house, { app: diary('awake'), home: 'ann', audio: false, screen: SCREEN });
  const file = join(makeHomeFolder(house.environment.dataDir, 'ann'), 'diary');
  const lines = (): Promise<string> => readFile(file, 'utf8').catch(() => '');
  await until('the first line', lines, (text) => text === 'awake\n');

  const hibernated = await act(house, session, 'hibernate');
  const kept = await lines();
  const woken = await act(house, session, 'wake');
  await until('the second line', lines, (text) => text === 'awake\nawake\n');
  const page = await openViewer(browser, house, session.id);

  assert.equal(hibernated.state, 'hibernated');
  assert.equal(kept, 'awake\n');
  assert.deepEqual([woken.id, woken.state], [session.id, 'running']);
  await page.close();
  await act(house, session, 'stop');
  assert.equal(await lines(), 'awake\nawake\n');
});

test('a session ends when nobody is in it for its idle time, and not while somebody watches', async () => {
  await using house = await openHouse();
  await using browser = await openBrowser();
  const session = await startSession(house, {
    app: ['xterm'],
    home: 'bob',
    idleTimeoutSeconds: IDLE_SECONDS,
    audio: false,
    screen: SCREEN,
  });
  const page = await openViewer(browser, house, session.id);

  await page.waitForTimeout((IDLE_SECONDS + 2) * 1000);
  const watched = await house.callApi('GET', `/api/v1/sessions/${session.id}`, Session);
  await page.close();
  const idle = await untilState(house, session, 'hibernated');

  assert.equal(watched.state, 'running');
  assert.equal(idle.reason?.code, 'IDLE_TIMEOUT');
  assert.equal(listSessionFolders(house.environment.runtimeDir).length, 0);
});

test('a session out of a warm pool is there at once and can be watched, and the pool is filled again', async () => {
  await using house = await openHouse();
  await using browser = await openBrowser();
  const Pool = z.object({ pool: z.object({ ready: z.number(), starting: z.number() }) });
  const spec = { app: BUSY, audio: false, screen: SCREEN };
  await house.callApi('POST', '/api/v1/templates', Pool, { id: 'term', spec, warm: 1 });
  const untilReady = () =>
    until(
      'the pool is ready',
      () => house.callApi('GET', '/api/v1/templates/term', Pool),
      ({ pool }) => pool.ready === 1,
    );
  await untilReady();

  const claimed = await house.callApi('POST', '/api/v1/sessions', Session, { template: 'term' });
  await openViewer(browser, house, claimed.id);
  await untilReady();

  assert.equal(claimed.state, 'running');
  assert.deepEqual(claimed.template, { id: 'term', revision: 1 });
});

test('what can not be had is refused before anything starts, with the way out', async () => {
  await using house = await openHouse();
  await startSession(house, { app: ['xterm'], home: 'ann', audio: false, screen: SCREEN });
  await house.callApi('POST', '/api/v1/templates', z.unknown(), { id: 'term', spec: { app: ['xterm'] } });
  const ask = (body: object) => house.callApi('POST', '/api/v1/sessions', Session, body);

  await assert.rejects(ask({ home: 'ann' }), /another session that has not ended has the home ann/);
  await assert.rejects(ask({ image: 'debian:trixie' }), /need a container.*--runtime docker/);
  await assert.rejects(ask({ template: 'none' }), /there is no template none/);
  await assert.rejects(ask({ template: 'term', app: ['id'] }), /template term decides app itself/);
  assert.equal(listSessionFolders(house.environment.runtimeDir).length, 1);
});
