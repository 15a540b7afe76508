// sandbox-agent's own client, unchanged, streams a desktop of ours in a browser.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { SandboxAgent } from 'sandbox-agent';
import { afterAll, beforeAll, test } from 'vitest';
import { z } from 'zod';
import { isBlue, isGreen, isRed, openBrowser } from '../harness/browser.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until, type House } from '../harness/house.ts';
import { openStreamPage, untilStreamIs } from '../harness/sandbox-stream.ts';
import { openDisplay } from '../harness/viewer.ts';
import type { XDisplay } from '../../src/neko/embedded/x11.ts';

let house: House;
let browser: Awaited<ReturnType<typeof openBrowser>>;
beforeAll(async () => {
  house = await openHouse();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
  await house[Symbol.asyncDispose]();
});

test('its stream has the picture and the controls, and the calls of the same token drive beside it', async () => {
  await using folder = await temporaryFolder();
  const sessionId = await startDesktop(house, paintedTerminal(join(folder.path, 'typed')));
  await using display = await openDisplay(house, sessionId);
  const base = `${house.gateway.url}/s/${sessionId}`;
  const { token } = await grant(house, sessionId, 'controller');
  const calls = await SandboxAgent.connect({ baseUrl: base, token });
  await calls.moveDesktopMouse({ x: 1, y: 1 });

  const page = await openStreamPage(browser, base, token);
  await untilStreamIs(page, 'blue', isBlue);
  await calls.moveDesktopMouse({ x: 2, y: 2 });
  await untilStreamMoves('the stream drives', page, display, [300, 200]);
  await page.evaluate(() => {
    window.stream.mouseDown('left', 300, 200);
    window.stream.mouseUp('left', 300, 200);
  });
  await untilStreamIs(page, 'red', isRed);
  await calls.typeDesktopText({ text: 'by calls' });
  await untilStreamMoves('the stream drives again', page, display, [310, 210]);
  await assert.rejects(calls.launchDesktopApp({ app: 'no-such-program' }), { status: 404 });
  await untilStreamMoves('the stream drives after a call that failed', page, display, [320, 220]);
  await page.evaluate(() => {
    window.stream.keyDown('Enter');
    window.stream.keyUp('Enter');
  });
  await untilStreamIs(page, 'green', isGreen);

  assert.deepEqual(await page.evaluate(() => window.streamErrors), []);
  await calls.stopDesktopStream();
  await page.waitForFunction(() => window.hasStreamEnded);
  await calls.dispose();
});

test('a stream takes the controls from nobody and gets free ones; a viewer gets none, and is told why it ends', async () => {
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using display = await openDisplay(house, sessionId);
  const base = `${house.gateway.url}/s/${sessionId}`;
  const driving = await grant(house, sessionId, 'controller');
  const calls = await SandboxAgent.connect({ baseUrl: base, token: driving.token });
  await calls.moveDesktopMouse({ x: 7, y: 8 });
  const watching = await grant(house, sessionId, 'viewer');
  const other = await grant(house, sessionId, 'controller');

  const viewer = await openStreamPage(browser, base, watching.token);
  const person = await openStreamPage(browser, base, other.token);
  await untilStreamIs(viewer, 'blue', isBlue);
  await untilStreamIs(person, 'blue', isBlue);
  for (const page of [viewer, person]) await page.evaluate(() => window.stream.moveMouse(300, 200));

  // Where the person's asking took the controls over, these would be refused.
  await calls.moveDesktopMouse({ x: 9, y: 8 });
  assert.deepEqual(await calls.getDesktopMousePosition(), { x: 9, y: 8, screen: 0 });
  await revoke(sessionId, driving.id);
  await until(
    'the person drives, now that the controls are free',
    async () => {
      await person.evaluate(() => window.stream.moveMouse(310, 210));
      await viewer.evaluate(() => window.stream.moveMouse(1, 1));
      return await pointerOn(display);
    },
    (at) => at === '310,210',
  );
  assert.deepEqual(await viewer.evaluate(() => window.streamErrors), []);
  await revoke(sessionId, watching.id);
  await viewer.waitForFunction(() => window.hasStreamEnded);
  assert.deepEqual(await viewer.evaluate(() => window.streamErrors), ['this access was revoked']);
  await calls.dispose();
});

/** The controls may come to it a moment later. */
async function untilStreamMoves(what: string, page: Page, display: XDisplay, place: [number, number]): Promise<void> {
  await until(
    what,
    async () => {
      await page.evaluate(([x, y]) => window.stream.moveMouse(x, y), place);
      return await pointerOn(display);
    },
    (at) => at === place.join(','),
  );
}

async function pointerOn(display: XDisplay): Promise<string> {
  const { client, root } = display;
  const { rootX, rootY } = await display.ask<{ rootX: number; rootY: number }>((done) =>
    client.QueryPointer(root, done),
  );
  return `${rootX},${rootY}`;
}

function revoke(sessionId: string, accessId: string): Promise<unknown> {
  return house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${accessId}`, z.unknown());
}
