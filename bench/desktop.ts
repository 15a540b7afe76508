// Figures, not a claim against a peer: what one 1280x720 desktop at 25 frames a second costs, still and busy, watched and not.
// CPU is a share of one core over the window; memory is PSS, so that what processes share is counted once.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { listSessionFolders } from '../src/desktop/folder.ts';
import { findState } from '../src/desktop/state.ts';
import { listProcesses } from '../src/process/table.ts';
import { framesOf, openBrowser } from '../test/harness/browser.ts';
import { grant, openHouse, type House } from '../test/harness/house.ts';
import { close, round } from './run.ts';

const WINDOW_MS = 10_000;
const TICKS_PER_SECOND = 100;
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
  const before = ticksOf(treeOf(root));
  await sleep(WINDOW_MS);
  const pids = treeOf(root);
  return {
    'CPU %': round(((ticksOf(pids) - before) / TICKS_PER_SECOND / (WINDOW_MS / 1000)) * 100),
    'memory MB': round(pids.reduce((sum, pid) => sum + pssOf(pid), 0) / 1024),
  };
}

function treeOf(root: number): number[] {
  const all = listProcesses();
  const found = new Set([root]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** User and system time of the processes and of their children that have ended (proc(5): fields 14 to 17). */
function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readProc(`/proc/${pid}/stat`).split(') ')[1]?.split(' ').slice(11, 15) ?? [];
    return sum + fields.reduce((ticks, field) => ticks + Number(field), 0);
  }, 0);
}

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readProc(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended meanwhile; its parent has its time.
    return '';
  }
}
