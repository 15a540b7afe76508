import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { z } from 'zod';
import { openBrowser, isBlue, isGreen, isRed, type Colour } from '../harness/browser.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until, type House } from '../harness/house.ts';

let house: House;
let browser: Browser & AsyncDisposable;
beforeAll(async () => {
  house = await openHouse();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await house[Symbol.asyncDispose]();
});

async function openPage(sessionId: string, role: 'viewer' | 'controller'): Promise<{ page: Page; accessId: string }> {
  const { id: accessId, viewUrl } = await grant(house, sessionId, role);
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 700 } })).newPage();
  await page.goto(viewUrl.replace('#', '/vnc#'));
  await untilStatus(page, /^Live by VNC/);
  return { page, accessId };
}

/** What the page shows of the desktop, in the lower part of its middle. */
function colourOf(page: Page): Promise<Colour | undefined> {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    const pixel = canvas?.getContext('2d')?.getImageData(canvas.width / 2, (canvas.height * 5) / 6, 1, 1).data;
    if (!pixel) return undefined;
    const [red = 0, green = 0, blue = 0] = pixel;
    return { red, green, blue };
  });
}

async function untilColour(page: Page, isIt: (colour: Colour | undefined) => boolean): Promise<void> {
  await until(`the page shows it: ${isIt.name}`, () => colourOf(page), isIt);
}

async function untilStatus(page: Page, pattern: RegExp): Promise<void> {
  await until(
    `the page says ${pattern}`,
    () => page.locator('#status').innerText(),
    (text) => pattern.test(text),
  );
}

test('a desktop is seen, clicked and typed on in a page by VNC; a viewer sees the same and changes nothing', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, paintedTerminal(file));
  const { page: watching } = await openPage(sessionId, 'viewer');
  const { page: driving, accessId } = await openPage(sessionId, 'controller');
  assert.equal(await driving.evaluate(() => location.hash), '');
  await untilStatus(watching, /view only/);
  await Promise.all([untilColour(watching, isBlue), untilColour(driving, isBlue)]);

  await watching.mouse.click(500, 360);
  await watching.keyboard.type('x');
  await driving.mouse.click(500, 360);
  await Promise.all([untilColour(watching, isRed), untilColour(driving, isRed)]);
  await driving.keyboard.type('typed\n');
  await Promise.all([untilColour(watching, isGreen), untilColour(driving, isGreen)]);
  assert.equal(readFileSync(file, 'utf8'), 'typed');

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${accessId}`, z.unknown());
  await untilStatus(driving, /revoked|taken back|withdrawn/i);
  await driving.getByRole('button', { name: 'Connect again' }).click();
  await untilStatus(driving, /revoked|taken back|withdrawn/i);
  await house.restartGateway();
  await until(
    'the agent is back, and the page live',
    async () => {
      const again = watching.getByRole('button', { name: 'Connect again' });
      if (await again.isVisible()) await again.click();
      return watching.locator('#status').innerText();
    },
    (text) => text.includes('view only'),
  );
  await untilColour(watching, isGreen);
});

test("text goes both ways by the page's clipboard", async () => {
  const sessionId = await startDesktop(house, [
    'sh',
    '-c',
    [
      '(until [ "$(xclip -o -selection clipboard 2>/dev/null)" = "from the page" ]; do sleep 0.2; done',
      'printf "from the desktop" | xclip -selection clipboard) & exec xterm -fullscreen -bg "#2040c0"',
    ].join('; '),
  ]);
  const { page } = await openPage(sessionId, 'controller');
  await untilColour(page, isBlue);

  await page.getByText('Clipboard').click();
  await page.getByLabel("The desktop's clipboard").fill('from the page');

  await until(
    'the clipboard of the desktop',
    () => page.getByLabel("The desktop's clipboard").inputValue(),
    (text) => text === 'from the desktop',
  );
});
