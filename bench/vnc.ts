// Claim: VNC through gateway and agent, two hops more than websockify's one, opens in 20 ms, echoes within 1.5 times websockify's time,
// carries as much, and takes 150 KiB an idle tunnel.
// The peers are Debian's websockify and a TCP connection, all to one VNC server, in turn in one run.
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryKb } from './processes.ts';
import { close, median, percentile, round } from './run.ts';
import { askBulk, KEY } from './vnc/talk.ts';
import { enter, openWays, type Stream, type Way } from './vnc/ways.ts';

const ROUNDS = 5;
const OPENS = 20;
const ECHOES = 1000;
/** So much that how it begins, through sockets whose buffers are still small, counts little. */
const BULK_BYTES = 256 * 1024 * 1024;
const VIEWERS = 50;
const VIEWER_BYTES = 2 * 1024 * 1024;
const IDLE_TUNNELS = 200;
/** Time in which processes at rest give back what they need no more. */
const SETTLE_MS = 15_000;

interface Figures {
  opens: number[];
  echoes: number[];
  bulks: number[];
  crowds: number[];
}

await using ways = await openWays(2 * IDLE_TUNNELS + VIEWERS);
const { ours, websockify, direct } = ways;
const all = [ours, websockify, direct];

const idle = new Map([
  [ours, await idleKb(ours)],
  [websockify, await idleKb(websockify)],
]);
const found = new Map(all.map((way): [Way, Figures] => [way, { opens: [], echoes: [], bulks: [], crowds: [] }]));
for (let turn = 0; turn <= ROUNDS; turn++) {
  // Now one first, now the other.
  for (const way of turn % 2 === 0 ? all : all.toReversed()) {
    const opens = await openMs(way);
    const echoes = await echoMs(way);
    const bulk = await bulkRate(way);
    const crowd = await crowdRate(way);
    const figures = found.get(way);
    // The first turn warms all of them up.
    if (turn === 0 || !figures) continue;
    figures.opens.push(...opens);
    figures.echoes.push(...echoes);
    figures.bulks.push(bulk);
    figures.crowds.push(crowd);
  }
}

const results = { ours: resultOf(ours), websockify: resultOf(websockify), direct: resultOf(direct) };
console.table({
  [ours.name]: results.ours,
  [websockify.name]: results.websockify,
  [direct.name]: results.direct,
  'ratio to websockify': ratios(results.ours, results.websockify),
});
close(
  'vnc',
  {
    openMs: results.ours['open p50 ms'],
    websockifyOpenMs: results.websockify['open p50 ms'],
    echoP50Ms: results.ours['echo p50 ms'],
    echoP99Ms: results.ours['echo p99 ms'],
    websockifyEchoP50Ms: results.websockify['echo p50 ms'],
    websockifyEchoP99Ms: results.websockify['echo p99 ms'],
    bulkMbPerS: results.ours['bulk MB/s'],
    websockifyBulkMbPerS: results.websockify['bulk MB/s'],
    directBulkMbPerS: results.direct['bulk MB/s'],
    viewers: VIEWERS,
    viewersMbPerS: results.ours['all viewers MB/s'],
    websockifyViewersMbPerS: results.websockify['all viewers MB/s'],
    idleKib: results.ours['idle KiB'],
    websockifyIdleKib: results.websockify['idle KiB'],
  },
  {
    openP50Ms: { value: results.ours['open p50 ms'], max: 20 },
    echoRatio: { value: round(results.ours['echo p50 ms'] / results.websockify['echo p50 ms'], 2), max: 1.5 },
    websockifyBulkRatio: { value: round(results.websockify['bulk MB/s'] / results.ours['bulk MB/s'], 2), max: 1 },
    idleKib: { value: results.ours['idle KiB'], max: 150 },
  },
);

function resultOf(way: Way) {
  const { opens, echoes, bulks, crowds } = found.get(way) ?? { opens: [], echoes: [], bulks: [], crowds: [] };
  return {
    'open p50 ms': round(median(opens), 2),
    'echo p50 ms': round(median(echoes), 3),
    'echo p99 ms': round(percentile(echoes, 0.99), 3),
    'bulk MB/s': round(median(bulks), 0),
    'all viewers MB/s': round(median(crowds), 0),
    'idle KiB': round(idle.get(way) ?? 0, 0),
  };
}

function ratios(one: Record<string, number>, other: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(one).map(([name, value]) => [name, round(value / (other[name] ?? 0), 2)]));
}

/** From the click to the first byte of RFB. */
async function openMs(way: Way): Promise<number[]> {
  const times: number[] = [];
  for (let open = 0; open < OPENS; open++) {
    const clickedAt = performance.now();
    const stream = await way.dial();
    await stream.read(1);
    times.push(performance.now() - clickedAt);
    await stream.close();
  }
  return times;
}

/** From a key to the answer of the VNC server. */
async function echoMs(way: Way): Promise<number[]> {
  const stream = await enter(await way.dial());
  const times: number[] = [];
  for (let echo = 0; echo < ECHOES; echo++) {
    const sentAt = performance.now();
    stream.send(KEY);
    await stream.read(KEY.length);
    times.push(performance.now() - sentAt);
  }
  await stream.close();
  return times;
}

async function bulkRate(way: Way): Promise<number> {
  const stream = await enter(await way.dial());
  const askedAt = performance.now();
  stream.send(askBulk(BULK_BYTES));
  await stream.read(BULK_BYTES);
  const seconds = (performance.now() - askedAt) / 1000;
  await stream.close();
  return BULK_BYTES / 1e6 / seconds;
}

/** What viewers who are there at once get together. */
async function crowdRate(way: Way): Promise<number> {
  const streams = await Promise.all(Array.from({ length: VIEWERS }, async () => enter(await way.dial())));
  const askedAt = performance.now();
  await Promise.all(
    streams.map(async (stream) => {
      stream.send(askBulk(VIEWER_BYTES));
      await stream.read(VIEWER_BYTES);
    }),
  );
  const seconds = (performance.now() - askedAt) / 1000;
  await Promise.all(streams.map((stream) => stream.close()));
  return (VIEWERS * VIEWER_BYTES) / 1e6 / seconds;
}

/** What one tunnel more takes of memory while nothing passes, of all processes of the way. */
async function idleKb(way: Way): Promise<number> {
  const streams: Stream[] = [];
  const openMore = async (): Promise<number> => {
    for (let tunnel = 0; tunnel < IDLE_TUNNELS; tunnel++) streams.push(await enter(await way.dial()));
    await sleep(SETTLE_MS);
    return memoryKb(way.pids);
  };
  // Processes grow once to what opening takes: that is no tunnel's.
  const before = await openMore();
  const grownKb = (await openMore()) - before;
  await Promise.all(streams.map((stream) => stream.close()));
  return grownKb / IDLE_TUNNELS;
}
