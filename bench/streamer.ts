// Claim: the embedded streamer joins no slower than neko (and within 350 ms), and answers a data-channel ping within 1.2 ms.
// With NEKO_BIN set, both run in this one bench, turn by turn on equal desktops; else the embedded one runs alone.
// Viewers speak to the streamer itself, without gateway and agent. 1280x720 at 25 frames a second, no sound.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { NekoClient } from '../src/neko/client.ts';
import type { Streamer } from '../src/neko/find.ts';
import type { Role } from '../src/protocol/session.ts';
import { openBrowser } from '../test/harness/browser.ts';
import { ADMIN_PASSWORD, openDesktop, type OpenedDesktop } from '../test/harness/desktop.ts';
import { listStreamers } from '../test/harness/streamers.ts';
import { measureTree } from './processes.ts';
import { close, median, percentile, round } from './run.ts';
import { clickViewer, joinViewer, type JoinTimes, leaveViewer, pingViewer, viewerFrames } from './viewer.ts';

const JOINS = 15;
const LATE_JOINS = 8;
const WARM_UP = 2;
const PINGS = 300;
const CLICKS = 50;
const VIEWERS_MAX = 4;
const VIEWERS = [0, 1, 2, VIEWERS_MAX];
const WINDOW_MS = 4000;
/** Until what a join or a start cost is over. */
const SETTLE_MS = 1000;

const FLIPPING = [process.execPath, fileURLToPath(new URL('../test/fixtures/flipping-window.mjs', import.meta.url))];
const BUSY = ['xterm', '-fullscreen', '-e', 'while :; do head -c 3000 /dev/urandom | base64; sleep 0.04; done'];

type Figures = Record<string, number>;

const streamers = listStreamers();
await using browser = await openBrowser();
const figures = new Map<string, Figures>(streamers.map(({ kind }) => [kind, {}]));
await measureStill();
await measureBusy();

const ours = figures.get('embedded') ?? {};
const theirs = figures.get('neko');
console.table(
  Object.fromEntries(
    Object.entries(ours).map(([name, value]) => {
      const peer = theirs?.[name];
      return [
        name,
        {
          embedded: value,
          ...(peer === undefined ? {} : { neko: peer, ratio: peer === 0 ? '' : round(value / peer, 2) }),
        },
      ];
    }),
  ),
);
close(
  'streamer',
  Object.fromEntries(
    [...figures].flatMap(([kind, values]) =>
      Object.entries(values).map(([name, value]) => [`${kind}: ${name}`, value]),
    ),
  ),
  {
    joinMs: { value: ours['join p50 ms'] ?? Infinity, max: 350 },
    pingMs: { value: ours['ping p50 ms'] ?? Infinity, max: 1.2 },
    ...(theirs && { joinRatio: { value: (ours['join p50 ms'] ?? Infinity) / (theirs['join p50 ms'] ?? 0), max: 1 } }),
  },
);

/** On a desktop that stands still unless it is clicked. */
async function measureStill(): Promise<void> {
  await using desks = new AsyncDisposableStack();
  const all: Desk[] = [];
  for (const streamer of streamers) all.push(desks.use(await openDesk(streamer, FLIPPING)));

  const joins = await inTurn(all, JOINS, async (desk) => {
    const page = await desk.openPage();
    const times = await desk.join(page, 'viewer');
    await desk.leave(page);
    return times;
  });
  for (const desk of all) {
    const page = await desk.openPage();
    await desk.join(page, 'controller');
    const pings = await pingViewer(page, PINGS);
    const clicks = await clickViewer(page, CLICKS);
    await desk.leave(page);
    const times = joins.get(desk)?.map(({ firstFrameMs }) => firstFrameMs) ?? [];
    desk.note({
      'join p50 ms': median(times),
      'join p95 ms': percentile(times, 0.95),
      'ping p50 ms': median(pings),
      'ping p95 ms': percentile(pings, 0.95),
      'click to pixel p50 ms': median(clicks),
      'click to pixel p95 ms': percentile(clicks, 0.95),
    });
  }
  await measureCosts(all, 'still');
}

/** On a desktop on which everything changes all the time. */
async function measureBusy(): Promise<void> {
  // One at a time: two busy desktops would take each other's processor.
  for (const streamer of streamers) {
    await using desk = await openDesk(streamer, BUSY);
    const watching = await desk.openPage();
    await desk.join(watching, 'viewer');
    const late = await inTurn([desk], LATE_JOINS, async () => {
      const page = await desk.openPage();
      const times = await desk.join(page, 'viewer');
      await desk.leave(page);
      return times;
    });
    const waits = late.get(desk)?.map(({ firstFrameMs, connectedMs }) => firstFrameMs - connectedMs) ?? [];
    desk.note({
      'key-frame wait of a late joiner p50 ms': median(waits),
      'key-frame wait of a late joiner p95 ms': percentile(waits, 0.95),
    });
    await desk.leave(watching);
    await measureCosts([desk], 'busy');
  }
}

async function measureCosts(all: Desk[], name: string): Promise<void> {
  for (const desk of all) {
    const pages: Page[] = [];
    const costs = new Map<number, { cpuPercent: number; memoryMb: number }>();
    for (const count of VIEWERS) {
      while (pages.length < count) {
        const page = await desk.openPage();
        await desk.join(page, 'viewer');
        pages.push(page);
      }
      await sleep(SETTLE_MS);
      const framesBefore = await Promise.all(pages.map(viewerFrames));
      const { cpuPercent, memoryMb } = await measureTree(desk.pid, WINDOW_MS);
      const frames = await Promise.all(pages.map(viewerFrames));
      const shown = frames.map((now, index) => ((now - (framesBefore[index] ?? 0)) / WINDOW_MS) * 1000);
      const viewers = `${name}, ${count} viewer${count === 1 ? '' : 's'}`;
      desk.note({ [`${viewers}: CPU %`]: cpuPercent, [`${viewers}: memory MB`]: memoryMb });
      // What a processor's share bought: on a machine that is too busy, each viewer gets fewer.
      if (count > 0) desk.note({ [`${viewers}: frames a second`]: median(shown) });
      costs.set(count, { cpuPercent, memoryMb });
    }
    const [one, most] = [costs.get(1), costs.get(VIEWERS_MAX)];
    if (one && most)
      desk.note({
        [`${name}, each extra viewer: CPU %`]: (most.cpuPercent - one.cpuPercent) / (VIEWERS_MAX - 1),
        [`${name}, each extra viewer: memory MB`]: (most.memoryMb - one.memoryMb) / (VIEWERS_MAX - 1),
      });
    for (const page of pages) await desk.leave(page);
  }
}

/** Each desk's results of so many turns, after some that don't count; who is first changes from turn to turn. */
async function inTurn(
  all: readonly Desk[],
  turns: number,
  act: (desk: Desk) => Promise<JoinTimes>,
): Promise<Map<Desk, JoinTimes[]>> {
  const results = new Map<Desk, JoinTimes[]>(all.map((desk) => [desk, []]));
  for (let turn = 0; turn < WARM_UP + turns; turn++) {
    for (const desk of turn % 2 === 0 ? all : all.toReversed()) {
      const result = await act(desk);
      if (turn >= WARM_UP) results.get(desk)?.push(result);
    }
  }
  return results;
}

interface Desk extends AsyncDisposable {
  /** The streamer's process. */
  pid: number;
  openPage(): Promise<Page>;
  join(page: Page, role: Role): Promise<JoinTimes>;
  /** Ends the login too, and closes the page. */
  leave(page: Page): Promise<void>;
  note(found: Figures): void;
}

async function openDesk(streamer: Streamer, app: string[]): Promise<Desk> {
  await using opening = new AsyncDisposableStack();
  const screen = { width: 1280, height: 720, rate: 25 };
  const opened: OpenedDesktop = opening.use(await openDesktop({ app, screen }, { streamer }));
  const baseUrl = `http://127.0.0.1:${opened.plan.order.ports.http}`;
  const client = new NekoClient({ baseUrl, adminPassword: ADMIN_PASSWORD });
  const tokens = new Map<Page, string>();
  const pid = opened.desktop.state.parts.find(({ name }) => name === 'streamer')?.pid;
  if (pid === undefined) throw new Error('the streamer does not run');
  const owned = opening.move();
  return {
    pid,
    openPage: () => openPageOf(browser, `${baseUrl}/health`),
    async join(page, role) {
      const { token } = await client.login('bench', role);
      tokens.set(page, token);
      return joinViewer(page, client.socketUrl(token));
    },
    async leave(page) {
      await leaveViewer(page);
      await client.logout(tokens.get(page) ?? '');
      await page.close();
    },
    note(found) {
      const own = figures.get(streamer.kind);
      for (const [name, value] of Object.entries(found)) if (own) own[name] = round(value);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Of the streamer's own origin: Chromium opens no WebSocket to loopback from an empty page. */
async function openPageOf(inBrowser: Browser, url: string): Promise<Page> {
  const page = await inBrowser.newPage();
  await page.goto(url);
  return page;
}
