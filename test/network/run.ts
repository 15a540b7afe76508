import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { fileURLToPath } from 'node:url';
import { CLEAN, type Impairment } from './impairment.ts';
import type { BadNetwork } from './bad-network.ts';

/** What a page's start costs the machine is over then. */
const START_MS = 1500;
/** How long the picture is watched over the bad network. */
const WATCH_MS = 5000;
export const CUT_MS = 5000;
/** A viewer has recovered when a second holds this share of the frames that a clean network gives. */
const RECOVERED_SHARE = 0.8;
const FREEZE_MS = 200;
/** A run that takes longer to join has failed. */
const JOIN_MAX_MS = 30_000;
/** A recovery that takes longer is none. */
const RECOVERY_MAX_MS = 15_000;

/** A moving desktop, and who watches it how. */
export interface Watched {
  network: BadNetwork;
  browser: Browser;
  viewUrl: string;
}

export interface RunFigures {
  /** From opening the page to its first frame, over the bad network. */
  joinMs: number;
  fps: number;
  /** Time in which the picture stood still, each time for longer than 200 ms. */
  freezeMs: number;
  /** From the end of the impairment to the full rate; Infinity when it doesn't come. */
  recoveryMs: number;
  /** From the end of a total cut to the full rate. */
  recoveryFromCutMs: number;
}

/** A terminal that prints without end, so that every frame differs from the last. */
export function movingTerminal(): string[] {
  const script = fileURLToPath(new URL('../fixtures/moving-terminal.sh', import.meta.url));
  return ['xterm', '-fullscreen', '-e', script];
}

/**
 * One viewer, from opening the page to its recovery from a cut.
 * @throws Error when it has no picture in 30 s
 */
export async function measureRun(
  { network, browser, viewUrl }: Watched,
  impairment: Impairment,
  cleanFps: number,
): Promise<RunFigures> {
  await network.set(impairment);
  const page = await openWatched(browser);
  try {
    const openedAt = Date.now();
    await page.goto(viewUrl, { timeout: JOIN_MAX_MS, waitUntil: 'commit' });
    const joinedAt = await untilFrames(page, { after: openedAt, perSecond: 0, withinMs: JOIN_MAX_MS });
    if (joinedAt === Infinity) throw new Error(`no picture within ${JOIN_MAX_MS} ms`);
    await sleep(WATCH_MS);
    const watchedTo = Date.now();
    const seen = (await framesOf(page)).filter((at) => at >= joinedAt && at <= watchedTo);

    await network.set(CLEAN);
    const perSecond = cleanFps * RECOVERED_SHARE;
    const recoveredAt = await untilFrames(page, { after: watchedTo, perSecond, withinMs: RECOVERY_MAX_MS });
    await network.set('cut');
    await sleep(CUT_MS);
    const restoredAt = Date.now();
    await network.set(CLEAN);
    const backAt = await untilFrames(page, { after: restoredAt, perSecond, withinMs: RECOVERY_MAX_MS });
    return {
      joinMs: joinedAt - openedAt,
      fps: (seen.length / (watchedTo - joinedAt)) * 1000,
      freezeMs: freezesIn([...seen, watchedTo]),
      recoveryMs: recoveredAt - watchedTo,
      recoveryFromCutMs: backAt - restoredAt,
    };
  } finally {
    await page.close();
  }
}

/** Frames a second over a network that does nothing. */
export async function measureCleanFps({ network, browser, viewUrl }: Watched): Promise<number> {
  await network.set(CLEAN);
  const page = await openWatched(browser);
  await page.goto(viewUrl);
  const joinedAt = await untilFrames(page, { after: Date.now(), perSecond: 0, withinMs: JOIN_MAX_MS });
  await sleep(WATCH_MS);
  const [from, to] = [joinedAt + START_MS, Date.now()];
  const seen = (await framesOf(page)).filter((at) => at >= from && at <= to);
  await page.close();
  return (seen.length / (to - from)) * 1000;
}

declare global {
  var frameTimes: number[];
}

/** A page that notes when its video shows another frame, whichever element that video is in. */
async function openWatched(browser: Browser): Promise<Page> {
  const page = await browser.newPage();
  await page.addInitScript(() => {
    globalThis.frameTimes = [];
    let video: HTMLVideoElement | null | undefined;
    let frames = 0;
    setInterval(() => {
      const current = document.querySelector('neko-viewer')?.shadowRoot?.querySelector('video');
      if (current !== video) frames = 0;
      video = current;
      const now = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
      for (; frames < now; frames++) globalThis.frameTimes.push(Date.now());
      frames = now;
    }, 10);
  });
  return page;
}

function framesOf(page: Page): Promise<number[]> {
  return page.evaluate(() => globalThis.frameTimes);
}

/** The first moment after `after` from which on a second has `perSecond` frames (0: the first frame); Infinity when it doesn't come. */
async function untilFrames(
  page: Page,
  { after, perSecond, withinMs }: { after: number; perSecond: number; withinMs: number },
): Promise<number> {
  const more = Math.max(0, Math.ceil(perSecond) - 1);
  while (Date.now() <= after + withinMs) {
    const times = (await framesOf(page)).filter((at) => at >= after);
    const found = times.find((at, index) => (times[index + more] ?? Infinity) <= at + 1000);
    if (found !== undefined) return found;
    await sleep(50);
  }
  return Infinity;
}

/** Time in gaps between neighbours that are longer than a freeze. */
function freezesIn(times: readonly number[]): number {
  return times
    .map((at, index) => at - (times[index - 1] ?? at))
    .filter((gap) => gap > FREEZE_MS)
    .reduce((sum, gap) => sum + gap, 0);
}
