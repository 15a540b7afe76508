// The viewer in a browser, and a desktop that tells what reaches it.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { z } from 'zod';
import { xauthorityOf } from '../../src/desktop/environment.ts';
import { sessionFolder } from '../../src/desktop/folder.ts';
import { findState } from '../../src/desktop/state.ts';
import { XDisplay } from '../../src/neko/embedded/x11.ts';
import type { Role } from '../../src/protocol/session.ts';
import type { NekoViewer, ViewerState } from '../../src/viewer/index.ts';
import { framesOf, type Colour } from './browser.ts';
import { folderOf, grant, type House, startDesktop, until } from './house.ts';
import { listenOnAnyPort } from './ports.ts';
import { openTcpProxy } from './tcp-proxy.ts';

const ProbeEvent = z.object({
  type: z.string(),
  key: z.string().optional(),
  code: z.string().optional(),
  button: z.number().optional(),
  // On the desktop's screen.
  x: z.number().optional(),
  y: z.number().optional(),
  deltaY: z.number().optional(),
  touches: z.number().optional(),
  text: z.string().optional(),
});
export type ProbeEvent = z.infer<typeof ProbeEvent>;
const Report = z.object({ value: z.string(), events: z.array(ProbeEvent) });

export interface ProbedDesktop extends AsyncDisposable {
  sessionId: string;
  /** What stands in the desktop's text field. */
  value(): string;
  /** Resolves once exactly this stands in it; @throws with what stands there instead. */
  untilValue(text: string): Promise<string>;
  /** Resolves with the first event that fits, one that was told before included. */
  untilEvent(fits: (event: ProbeEvent) => boolean): Promise<ProbeEvent>;
  /** What the desktop's page was told, in order. */
  events(): readonly ProbeEvent[];
  forget(): void;
}

/** A desktop whose browser shows one large text field, and reports everything that happens to it. */
export async function openProbedDesktop(house: House): Promise<ProbedDesktop> {
  await using opening = new AsyncDisposableStack();
  let value = '';
  let events: ProbeEvent[] = [];
  let isReady = false;
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html; charset=utf-8').end(PROBE_PAGE);
      return;
    }
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const report = Report.parse(JSON.parse(body));
      isReady = true;
      value = report.value;
      events.push(...report.events);
      response.end();
    });
  });
  const port = await listenOnAnyPort(server);
  opening.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const sessionId = await startDesktop(house, [
    'chromium',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--password-store=basic',
    '--touch-events=enabled',
    '--window-position=0,0',
    '--window-size=800,600',
    `--app=http://127.0.0.1:${port}/`,
  ]);
  await until(
    'the page on the desktop is there',
    () => Promise.resolve(isReady),
    (ready) => ready,
    40_000,
  );
  const owned = opening.move();
  return {
    sessionId,
    value: () => value,
    untilValue: (text) =>
      until(
        'the text on the desktop',
        () => Promise.resolve(value),
        (now) => now === text,
      ),
    untilEvent: async (fits) => {
      await until(
        'the event on the desktop',
        () => Promise.resolve(events),
        (told) => told.some(fits),
      );
      return events.find(fits) ?? fail();
    },
    events: () => events,
    forget: () => {
      events = [];
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function fail(): never {
  throw new Error('it was there a moment ago');
}

const PROBE_PAGE = `<!doctype html><meta charset="utf-8"><title>probe</title>
<style>
  html, body { height: 100%; margin: 0 }
  textarea { box-sizing: border-box; width: 100%; height: 100%; font: 40px monospace; border: 0; outline: 0; background: #2040c0; color: #fff }
</style>
<textarea autofocus spellcheck="false"></textarea>
<script>
  const field = document.querySelector('textarea');
  let events = [], sending = Promise.resolve();
  const send = () => {
    sending = sending.then(() => {
      const body = JSON.stringify({ value: field.value, events: events.splice(0) });
      return fetch('/', { method: 'POST', body });
    });
  };
  const tell = (event) => { events.push(event); send(); };
  for (const type of ['keydown', 'keyup'])
    addEventListener(type, (e) => tell({ type, key: e.key, code: e.code }), true);
  for (const type of ['mousedown', 'mouseup'])
    addEventListener(type, (e) => tell({ type, button: e.button, x: e.screenX, y: e.screenY }), true);
  for (const type of ['touchstart', 'touchmove', 'touchend', 'touchcancel'])
    addEventListener(type, (e) => tell({ type, touches: e.touches.length, x: e.changedTouches[0]?.screenX, y: e.changedTouches[0]?.screenY }), { capture: true, passive: true });
  addEventListener('contextmenu', (e) => { e.preventDefault(); tell({ type: 'contextmenu' }); }, true);
  addEventListener('wheel', (e) => tell({ type: 'wheel', deltaY: e.deltaY }), { capture: true, passive: true });
  addEventListener('paste', (e) => tell({ type: 'paste', text: e.clipboardData.getData('text/plain') }), true);
  addEventListener('copy', () => tell({ type: 'copy' }), true);
  field.addEventListener('input', () => send());
  onload = () => { field.focus(); send(); };
</script>`;

export interface ViewerOptions {
  role?: Role;
  /** Attributes of the element. */
  attributes?: Record<string, string>;
  context?: BrowserContextOptions;
  link?: Link;
  /** Before the page is loaded. */
  prepare?: (page: Page) => Promise<unknown>;
}

/** A page of its own with the viewer, which is live and shows frames. */
export async function openViewer(
  browser: Browser,
  house: House,
  sessionId: string,
  { role = 'controller', attributes = {}, context = {}, link, prepare }: ViewerOptions = {},
): Promise<Page> {
  const { viewUrl } = await grant(house, sessionId, role);
  const page = await (await browser.newContext({ viewport: { width: 800, height: 644 }, ...context })).newPage();
  await prepare?.(page);
  await page.goto(link?.through(viewUrl) ?? viewUrl);
  await page.evaluate((all) => {
    const viewer = document.querySelector('neko-viewer');
    for (const [name, value] of Object.entries(all)) viewer?.setAttribute(name, value);
  }, attributes);
  await untilLive(page);
  return page;
}

export async function untilLive(page: Page): Promise<void> {
  await until(
    'the viewer is live',
    () => viewerState(page),
    (state) => state?.name === 'live' && state.restoring === undefined,
  );
  await until(
    'frames',
    () => framesOf(page),
    (frames) => frames > 0,
  );
}

export function viewerState(page: Page): Promise<ViewerState | undefined> {
  return page.evaluate(() => document.querySelector<NekoViewer>('neko-viewer')?.state);
}

/** Who has control, as this viewer knows. */
export function holderOf(page: Page): Promise<string | undefined> {
  return page.evaluate(() => document.querySelector<NekoViewer>('neko-viewer')?.control.control.holder);
}

/** Presses in the middle of the desktop, and waits for the control that this brings. */
export async function takeControl(page: Page): Promise<void> {
  await page.mouse.click(400, 300);
  await untilHolder(page, 'me');
}

export async function untilHolder(page: Page, holder: string): Promise<void> {
  await until(
    `control: ${holder}`,
    () => holderOf(page),
    (now) => now === holder,
  );
}

/** The X display of a session's desktop. */
export async function openDisplay(house: House, sessionId: string): Promise<XDisplay> {
  const path = await folderOf(house, sessionId);
  const authority = await readFile(xauthorityOf(sessionFolder(path)));
  const state = await findState(path);
  return XDisplay.open(state?.display ?? '', () => undefined, authority.subarray(-16));
}

/** The modifiers and buttons that are down on a desktop, as X's state mask. */
export async function heldOn(display: XDisplay): Promise<number> {
  const { client, root } = display;
  return (await display.ask<{ keyMask: number }>((done) => client.QueryPointer(root, done))).keyMask;
}

/** How many streams this page has shown. */
export function streamsOf(page: Page): Promise<number> {
  return page.evaluate(() => performance.getEntriesByName('neko-viewer:first-frame').length);
}

/** What the viewer says of itself from now on, in order; `live restoring` while signaling is away. */
export async function recordStates(page: Page): Promise<() => Promise<string[]>> {
  const states = await page.evaluateHandle(() => {
    const seen: string[] = [];
    document.querySelector<NekoViewer>('neko-viewer')?.on('statechange', (state) => {
      seen.push(state.name === 'live' && state.restoring !== undefined ? 'live restoring' : state.name);
    });
    return seen;
  });
  return () => states.jsonValue();
}

/** A way to the gateway that can break, as networks do: connections end without a word, and no new ones come through. */
export interface Link extends AsyncDisposable {
  /** The address of a page, by this way. */
  through(url: string): string;
  cut(): void;
  mend(): void;
}

export async function openLink(house: House): Promise<Link> {
  const target = new URL(house.gateway.url);
  const proxy = await openTcpProxy(Number(target.port));
  return {
    through: (url) => url.replace(target.host, `127.0.0.1:${proxy.port}`),
    cut: () => proxy.block(),
    mend: () => proxy.mend(),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

/** What is shown beside the middle of the desktop, where the pointer may be, whichever way the picture comes; undefined before the first. */
export function colourOf(page: Page): Promise<Colour | undefined> {
  return page.evaluate(() => {
    const root = document.querySelector('neko-viewer')?.shadowRoot;
    const picture = root?.querySelector<HTMLCanvasElement>('.vnc canvas') ?? root?.querySelector('video');
    const [width, height] =
      picture instanceof HTMLVideoElement
        ? [picture.videoWidth, picture.videoHeight]
        : [picture?.width ?? 0, picture?.height ?? 0];
    if (!picture || width === 0) return undefined;
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context?.drawImage(picture, width / 4, height / 2, 1, 1, 0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = context?.getImageData(0, 0, 1, 1).data ?? [];
    return { red, green, blue };
  });
}
