// Fingers: as they are where the desktop takes them, and else as what a mouse would do.
import assert from 'node:assert/strict';
import type { CDPSession, Page } from 'playwright-core';
import { test } from 'vitest';
import { z } from 'zod';
import { decodeInput } from '../../src/input/data-channel.ts';
import { openBrowser } from '../harness/browser.ts';
import { openHouse } from '../harness/house.ts';
import { openProbedDesktop, openViewer, type ProbedDesktop, untilHolder } from '../harness/viewer.ts';

const PHONE = { hasTouch: true, isMobile: true, viewport: { width: 400, height: 700 } };

test('a tap clicks, a long press opens the menu, a drag drags and two fingers scroll', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId, {
    context: PHONE,
    attributes: { touch: 'gestures' },
  });
  const fingers = await page.context().newCDPSession(page);
  const at = await middleOf(page);

  await touch(fingers, 'touchStart', at);
  await touch(fingers, 'touchEnd');
  await untilHolder(page, 'me');
  const click = await desktop.untilEvent(({ type, button }) => type === 'mousedown' && button === 0);
  assert.ok(Math.abs((click.x ?? 0) - 400) < 8 && Math.abs((click.y ?? 0) - 300) < 8, JSON.stringify(click));
  await desktop.untilEvent(({ type }) => type === 'mouseup');

  desktop.forget();
  await touch(fingers, 'touchStart', at);
  await desktop.untilEvent(({ type }) => type === 'contextmenu');
  await touch(fingers, 'touchEnd');
  await desktop.untilEvent(({ type }) => type === 'mouseup');
  assert.ok(desktop.events().every(({ type, button }) => type !== 'mousedown' || button === 2));

  desktop.forget();
  await touch(fingers, 'touchStart', { x: at.x - 100, y: at.y });
  for (let x = at.x - 100; x <= at.x + 100; x += 20) await touch(fingers, 'touchMove', { x, y: at.y });
  await touch(fingers, 'touchEnd');
  const down = await desktop.untilEvent(({ type }) => type === 'mousedown');
  const up = await desktop.untilEvent(({ type }) => type === 'mouseup');
  assert.ok(Math.abs((up.x ?? 0) - (down.x ?? 0) - 400) < 10, JSON.stringify([down, up]));

  desktop.forget();
  await touch(fingers, 'touchStart', { x: at.x - 40, y: at.y }, { x: at.x + 40, y: at.y });
  for (let y = at.y; y >= at.y - 120; y -= 10)
    await touch(fingers, 'touchMove', { x: at.x - 40, y }, { x: at.x + 40, y });
  await touch(fingers, 'touchEnd');
  const wheel = await desktop.untilEvent(({ type }) => type === 'wheel');
  assert.ok((wheel.deltaY ?? 0) > 0, 'what is under the fingers follows them');
  assert.ok(desktop.events().every(({ type }) => type !== 'mousedown'));
});

test('a desktop that takes touches is sent each finger as it is', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  // No X server here takes touches, so that this streamer is only made to say that it does: what it is sent counts.
  const page = await openViewer(browser, house, desktop.sessionId, { context: PHONE, prepare: claimTouch });
  const fingers = await page.context().newCDPSession(page);
  const at = await middleOf(page);

  await touch(fingers, 'touchStart', at);
  await untilHolder(page, 'me');
  await touch(fingers, 'touchStart', at, { x: at.x + 60, y: at.y });
  await touch(fingers, 'touchMove', at, { x: at.x + 80, y: at.y + 20 });
  await touch(fingers, 'touchEnd');

  const sent = await sentTouches(page);
  assert.deepEqual(
    sent.map(({ phase, touchId }) => `${phase} ${touchId}`),
    ['begin 0', 'begin 1', 'update 1', 'end 0', 'end 1'],
  );
  const [first, second, moved] = sent;
  assert.ok(Math.abs((first?.x ?? 0) - 400) < 8 && Math.abs((first?.y ?? 0) - 300) < 8, JSON.stringify(first));
  assert.ok(Math.abs((second?.x ?? 0) - 520) < 8, JSON.stringify(second));
  assert.ok(Math.abs((moved?.x ?? 0) - 560) < 8 && Math.abs((moved?.y ?? 0) - 340) < 8, JSON.stringify(moved));
  assert.equal(told(desktop, 'mousedown'), 0);
});

test('a virtual keyboard comes at a press of its button, and not with each tap', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId, {
    context: PHONE,
    attributes: { touch: 'gestures' },
  });
  const keys = (): Promise<boolean> =>
    page.evaluate(() => document.querySelector('neko-viewer')?.shadowRoot?.activeElement?.className === 'keys');
  const at = await middleOf(page);

  await page.touchscreen.tap(at.x, at.y);
  await untilHolder(page, 'me');
  assert.equal(await keys(), false);
  await page.getByRole('button', { name: 'Keyboard' }).tap();
  assert.equal(await keys(), true);

  // Virtual keyboards tell no keys, only what to put in and what to take out.
  await page.keyboard.insertText('abc');
  await desktop.untilValue('abc');
  await page.evaluate(() => {
    const field = document.querySelector('neko-viewer')?.shadowRoot?.querySelector('.keys');
    const options = { inputType: 'deleteContentBackward', bubbles: true, cancelable: true };
    field?.dispatchEvent(new InputEvent('beforeinput', options));
  });
  assert.equal(await desktop.untilValue('ab'), 'ab');
});

function told(desktop: ProbedDesktop, kind: string): number {
  return desktop.events().filter(({ type }) => type === kind).length;
}

/** Has the page's streamer say that it takes touches, and notes what the page puts into its data channel. */
async function claimTouch(page: Page): Promise<void> {
  await page.routeWebSocket(/\/api\/ws/, (socket) => {
    const streamer = socket.connectToServer();
    streamer.onMessage((frame) => socket.send(String(frame).replace('"touch_events":false', '"touch_events":true')));
  });
  await page.addInitScript(`
    window.sent = [];
    const { send } = RTCDataChannel.prototype;
    RTCDataChannel.prototype.send = function (data) {
      window.sent.push([...new Uint8Array(data)]);
      send.call(this, data);
    };
  `);
}

async function sentTouches(page: Page) {
  const sent = z.array(z.array(z.number())).parse(await page.evaluate('window.sent'));
  return sent.map((bytes) => decodeInput(Uint8Array.from(bytes))).filter((event) => event.type === 'touch');
}

async function touch(
  session: CDPSession,
  type: 'touchStart' | 'touchMove' | 'touchEnd',
  ...points: { x: number; y: number }[]
): Promise<void> {
  await session.send('Input.dispatchTouchEvent', {
    type,
    touchPoints: points.map((point, id) => ({ ...point, id })),
  });
}

/** The middle of the desktop, in pixels of the window. */
function middleOf(page: Page): Promise<{ x: number; y: number }> {
  return page.evaluate(() => {
    const box = document.querySelector('neko-viewer')?.shadowRoot?.querySelector('video')?.getBoundingClientRect();
    return { x: (box?.left ?? 0) + (box?.width ?? 0) / 2, y: (box?.top ?? 0) + (box?.height ?? 0) / 2 };
  });
}
