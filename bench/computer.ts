// Claim: a program's move and click are done, and known to be done, at least 40 times faster than by an xdotool process each, as usual;
// and its picture comes no slower than from the streamer's own endpoint plus a fifth. Beside that stands, without a target, how long it is from an
// action to the picture of the screen at rest after it: by one call, and by xdotool and scrot until two pictures are equal.
// The peers run in turn with ours, on the same desktop.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { request } from 'undici';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { Driver } from '../src/computer/driver.ts';
import { Seat } from '../src/computer/seat.ts';
import { xauthorityOf } from '../src/desktop/environment.ts';
import { sessionFolder } from '../src/desktop/folder.ts';
import { findState } from '../src/desktop/state.ts';
import type { InputEvent } from '../src/input/data-channel.ts';
import type { NekoClient } from '../src/neko/client.ts';
import { findNeko, folderOf, grant, openHouse, type House } from '../test/harness/house.ts';
import { close, median, percentile, round } from './run.ts';

const CLICKS = 200;
const PICTURES = 100;
const SETTLINGS = 30;
const WARM_UP = 10;
/** Of 40: a process takes so long that a fifth of the clicks says enough. */
const PROCESS_EVERY = 5;
const QUALITY = 80;
/** How long the screen has been at rest then: as long as two pictures of scrot's are apart. */
const QUIET_MS = 60;
const SCREEN = { width: 1280, height: 720 };
const NEVER = new AbortController().signal;

const Session = z.object({ id: z.string() });

await using house = await openHouse();
const { id: sessionId } = await house.callApi('POST', '/api/v1/sessions?wait=ready', Session, {
  app: ['xterm'],
  audio: false,
  screen: SCREEN,
});
const { token } = await grant(house, sessionId, 'controller');
const neko = await findNeko(house, sessionId);
const processes = await openProcesses(house);

const rows: Record<string, { 'p50 ms': number; 'p95 ms': number }> = {};
const times: Record<string, number[]> = { api: [], process: [], socket: [], channel: [] };
const byApi = async ({ x, y }: Place): Promise<void> => {
  const { ok } = await act([{ type: 'click', x, y }]);
  if (!ok) throw new Error('the click was not done');
};
await inTurn(CLICKS, [
  { name: 'api', every: 1, run: byApi },
  { name: 'process', every: PROCESS_EVERY, run: processes.click },
]);
await leaveControls();
for (const path of ['socket', 'channel'] as const) {
  await using program = await openDriver(neko, path);
  await inTurn(CLICKS, [{ name: path, every: 1, run: (at) => program.driver.perform(clickAt(at), NEVER) }]);
}
show('move+click: xdotool, a process each', 'process');
show('move+click: by the API', 'api');
show('move+click: a program at the streamer, by the socket', 'socket');
show('move+click: the same, by the data channel', 'channel');

times['picture'] = [];
times['own'] = [];
await inTurn(PICTURES, [
  { name: 'picture', every: 1, run: async () => void (await act([{ type: 'screenshot', quality: QUALITY }])) },
  { name: 'own', every: 1, run: async () => void (await neko.screenshot({ quality: QUALITY })) },
]);
show('picture: the streamer itself', 'own');
show('picture: by the API', 'picture');

times['settled'] = [];
times['settledProcess'] = [];
// Letters, which xterm shows where it has the keys; any change counts.
const typing = [
  { type: 'type', text: 'x' },
  { type: 'settled', quietMs: QUIET_MS, tolerance: 0 },
];
await inTurn(SETTLINGS, [
  { name: 'settled', every: 1, run: async () => void (await act(typing)) },
  { name: 'settledProcess', every: 1, run: processes.typeAndSettle },
]);
show('action to settled picture: xdotool, then scrot until two are equal', 'settledProcess');
show('action to settled picture: by the API', 'settled');
console.table(rows);
const p50 = (name: string): number => median(times[name] ?? []);
close('computer', Object.fromEntries(Object.keys(times).map((name) => [`${name}P50Ms`, round(p50(name), 2)])), {
  clickOfProcess: { value: round(p50('socket') / p50('process'), 4), max: 1 / 40 },
  pictureOfStreamer: { value: round(p50('picture') / p50('own'), 2), max: 1.2 },
});

interface Place {
  x: number;
  y: number;
}

/** Each way once in every round that is its own, so that all meet the same machine. */
async function inTurn(
  rounds: number,
  ways: { name: string; every: number; run: (at: Place) => Promise<void> }[],
): Promise<void> {
  for (let i = 0; i < WARM_UP + rounds; i++) {
    for (const { name, every, run } of ways) {
      if (i % every !== 0) continue;
      const startedAt = performance.now();
      await run({ x: 100 + i, y: 100 });
      if (i >= WARM_UP) times[name]?.push(performance.now() - startedAt);
    }
  }
}

function show(what: string, name: string): void {
  const values = times[name] ?? [];
  rows[what] = { 'p50 ms': round(median(values), 2), 'p95 ms': round(percentile(values, 0.95), 2) };
}

async function act(actions: unknown[]): Promise<{ ok: boolean }> {
  const { body } = await request(`${house.gateway.url}/api/v1/sessions/${sessionId}/computer`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ actions }),
  });
  return z.object({ ok: z.boolean() }).parse(await body.json());
}

/** The API's login would keep them for its next call. */
async function leaveControls(): Promise<void> {
  await neko.resetControl();
}

/** As programs usually do it: one process for each action, and for each picture. */
interface Processes {
  click: (at: Place) => Promise<void>;
  typeAndSettle: () => Promise<void>;
}

async function openProcesses({ environment }: House): Promise<Processes> {
  const folder = await folderOf(house, sessionId);
  const display = (await findState(folder))?.display;
  if (display === undefined) throw new Error('the desktop has no display');
  const env = {
    PATH: process.env['PATH'],
    DISPLAY: display,
    XAUTHORITY: xauthorityOf(sessionFolder(folder)),
    HOME: environment.dataDir,
  };
  const run = promisify(execFile);
  const file = join(environment.dataDir, 'screen.png');
  const look = async (): Promise<Buffer> => {
    await run('scrot', ['--overwrite', file], { env });
    return await readFile(file);
  };
  return {
    // Elsewhere than ours: it waits for a move for ever where the pointer is there already.
    click: async ({ x, y }) =>
      void (await run('xdotool', ['mousemove', '--sync', `${x}`, `${y + 50}`, 'click', '1'], { env })),
    typeAndSettle: async () => {
      await run('xdotool', ['type', 'x'], { env });
      let last = await look();
      for (;;) {
        const now = await look();
        if (now.equals(last)) return;
        last = now;
      }
    },
  };
}

async function openDriver(at: NekoClient, path: 'socket' | 'channel'): Promise<AsyncDisposable & { driver: Driver }> {
  const login = await at.login('bench', 'controller');
  const socket = new WebSocket(at.socketUrl(login.token));
  socket.once('open', () => socket.pause());
  await once(socket, 'open');
  const driver = await Driver.open({ seat: await Seat.open(socket, house.log), path }, NEVER);
  return {
    driver,
    [Symbol.asyncDispose]: async () => {
      await driver[Symbol.asyncDispose]();
      await at.logout(login.token);
    },
  };
}

function clickAt({ x, y }: Place): InputEvent[] {
  return [
    { type: 'move', x, y },
    { type: 'button', down: true, button: 1 },
    { type: 'button', down: false, button: 1 },
  ];
}
