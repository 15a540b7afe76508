// Figures, not a claim against a peer: what one 1280x720 desktop at 25 frames a second costs, still and busy, watched and not.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { listSessionFolders } from '../src/desktop/folder.ts';
import { findState } from '../src/desktop/state.ts';
import { framesOf, openBrowser } from '../test/harness/browser.ts';
import { grant, openHouse, type House } from '../test/harness/house.ts';
import { measureTree } from './processes.ts';
import { close, round } from './run.ts';

const WINDOW_MS = 10_000;
const STILL = ['xterm', '-fullscreen'];
const BUSY = ['xterm', '-fullscreen', '-e', 'while :; do head -c 3000 /dev/urandom | base64; sleep 0.04; done'];

await using browser = await openBrowser();
const rows: Record<string, Record<string, number>> = {};
for (const [name, app] of [
  ['still', STILL],
  ['busy', BUSY],
] as const) {
  await using house = await openHouse();
  const { id } = await house.callApi(
    'POST',
    '/api/v1/sessions?wait=ready',
    z.object({ id: z.string(), state: z.literal('running') }),
    { app },
  );
  await sleep(2000);
  rows[`${name}, nobody watches`] = await measure(house);
  const page = await browser.newPage();
  await page.goto((await grant(house, id, 'viewer')).viewUrl);
  await sleep(3000);
  const before = await framesOf(page);
  const cost = await measure(house);
  rows[`${name}, one viewer`] = {
    ...cost,
    'frames a second': round(((await framesOf(page)) - before) / (WINDOW_MS / 1000)),
  };
  await page.close();
}
console.table(rows);
const figures = Object.entries(rows).flatMap(([name, row]) =>
  Object.entries(row).map(([figure, value]) => [`${name}: ${figure}`, value]),
);
close('desktop', Object.fromEntries(figures), {});

/** The desktop's whole process tree: the supervisor, the X server, streamer and encoders; and the programs on it. */
async function measure(house: House): Promise<Record<string, number>> {
  const [folder = ''] = listSessionFolders(house.environment.runtimeDir);
  const root = (await findState(folder))?.process.pid;
  if (root === undefined) throw new Error('no desktop runs');
  const { cpuPercent, memoryMb } = await measureTree(root, WINDOW_MS);
  return { 'CPU %': round(cpuPercent), 'memory MB': round(memoryMb) };
}
