// Claim: joining through gateway and agent takes at most 1.3 times what joining the streamer itself takes.
// Measured in Chromium, from the WebSocket's constructor to the first decoded frame, the two ways in turn in one run.
// The peer gets its neko login for free, before its clock starts; ours makes a login within the measured time.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { openBrowser } from '../test/harness/browser.ts';
import { findNeko, grant, openHouse, paintedTerminal, startDesktop } from '../test/harness/house.ts';
import { close, median, percentile, round } from './run.ts';
import { joinViewer, leaveViewer } from './viewer.ts';

const JOINS = 20;
const WARM_UP = 2;

await using house = await openHouse();
const sessionId = await startDesktop(house, paintedTerminal(join(tmpdir(), 'nekogate-bench-join')));
const { token } = await grant(house, sessionId, 'viewer');
const neko = await findNeko(house, sessionId);
await using browser = await openBrowser();
const page = await browser.newPage();
await page.goto(house.gateway.url);
const throughGateway = house.gateway.url.replace('http', 'ws') + `/s/${sessionId}/api/ws`;

const ours: number[] = [];
const theirs: number[] = [];
const joinOurs = (): Promise<number> => joinOnce(page, throughGateway, ['nekogate.v1', `access.${token}`]);
const joinTheirs = async (): Promise<number> => {
  const login = await neko.login('bench', 'viewer');
  const ms = await joinOnce(page, neko.socketUrl(login.token), []);
  await neko.logout(login.token);
  return ms;
};
for (let i = 0; i < WARM_UP + JOINS; i++) {
  // Now one first, now the other: what comes second may find a pipeline that still runs.
  const [first, second] = i % 2 === 0 ? [joinOurs, joinTheirs] : [joinTheirs, joinOurs];
  const [firstMs, secondMs] = [await first(), await second()];
  if (i < WARM_UP) continue;
  ours.push(first === joinOurs ? firstMs : secondMs);
  theirs.push(first === joinOurs ? secondMs : firstMs);
}

const ratio = median(ours) / median(theirs);
console.table({
  'through gateway and agent': {
    'median ms': round(median(ours)),
    'p95 ms': round(percentile(ours, 0.95)),
    ratio: round(ratio, 2),
  },
  'the streamer itself': { 'median ms': round(median(theirs)), 'p95 ms': round(percentile(theirs, 0.95)), ratio: 1 },
});
close(
  'join',
  { oursMedianMs: round(median(ours)), streamerMedianMs: round(median(theirs)), joins: JOINS },
  { medianRatio: { value: round(ratio, 3), max: 1.3 } },
);

/** Resolves with the milliseconds to the first decoded frame. */
async function joinOnce(inPage: Page, url: string, protocols: string[]): Promise<number> {
  const { firstFrameMs } = await joinViewer(inPage, url, protocols);
  await leaveViewer(inPage);
  return firstFrameMs;
}
