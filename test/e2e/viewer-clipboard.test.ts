// What is copied on one side can be pasted on the other, with the browser's permission, and never without a person's act.
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { test } from 'vitest';
import { openBrowser } from '../harness/browser.ts';
import { openHouse, until } from '../harness/house.ts';
import { openProbedDesktop, openViewer, takeControl } from '../harness/viewer.ts';

const TEXT = 'from over there: Grüße, 漢字 😀\nsecond line';

test('what is pasted here is pasted there, and what is copied there is on the clipboard here', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId, {
    context: { permissions: ['clipboard-read', 'clipboard-write'] },
  });
  await takeControl(page);

  await page.evaluate((text) => navigator.clipboard.writeText(text), TEXT);
  await page.keyboard.press('Control+V');
  await desktop.untilValue(TEXT);
  assert.equal((await desktop.untilEvent(({ type }) => type === 'paste')).text, TEXT);

  // Again and at once, with what is typed after it in its place.
  await page.evaluate(() => navigator.clipboard.writeText('!'));
  await page.keyboard.press('Control+V');
  await page.keyboard.type('?');
  await desktop.untilValue(`${TEXT}!?`);

  await page.keyboard.press('Control+A');
  await page.keyboard.press('Control+C');
  assert.equal(await untilClipboard(page, `${TEXT}!?`), `${TEXT}!?`);
});

test('without permission the text stands in a panel, from which a press copies it and sends another', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId, {
    prepare: (opened) =>
      opened.addInitScript(() => {
        // As browsers do without a press just before.
        navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
      }),
  });
  await takeControl(page);
  await page.keyboard.type('secret');
  await desktop.untilValue('secret');
  const reads = await countReads(page);

  await page.keyboard.press('Control+A');
  await page.keyboard.press('Control+C');
  const panel = page.getByRole('dialog', { name: 'Clipboard' });
  await panel.waitFor();
  const field = panel.getByRole('textbox');
  await until(
    'the text in the panel',
    () => field.inputValue(),
    (text) => text === 'secret',
  );
  assert.match((await panel.getByRole('status').textContent()) ?? '', /browser/);

  await field.fill('sent by hand');
  await panel.getByRole('button', { name: 'Send to the desktop' }).click();
  await panel.waitFor({ state: 'hidden' });
  await page.mouse.click(400, 300);
  await page.keyboard.press('Control+A');
  // The clipboard here is empty: the desktop's own is what is pasted there.
  await page.keyboard.press('Control+V');
  await desktop.untilValue('sent by hand');
  assert.equal(await reads(), 0);
});

test('a clipboard that follows its owner is asked for once, said so, and sent whenever they come back', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId, {
    context: { permissions: ['clipboard-read', 'clipboard-write'] },
  });
  await takeControl(page);
  await page.getByRole('button', { name: 'Clipboard' }).click();
  const panel = page.getByRole('dialog', { name: 'Clipboard' });
  await panel.getByRole('checkbox').check();
  assert.match((await panel.getByRole('status').textContent()) ?? '', /lets the page read/);

  await page.evaluate(() => navigator.clipboard.writeText('brought along'));
  await panel.getByRole('button', { name: 'Close' }).click();
  await page.mouse.click(400, 300);
  // With nothing pasted here.
  await page.keyboard.press('ArrowLeft');
  await page.evaluate(() => {
    document.querySelector('neko-viewer')?.setAttribute('clipboard', 'off');
  });
  await page.keyboard.press('Control+V');
  await desktop.untilValue('brought along');
});

test('an access that may only watch has no clipboard', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();

  const page = await openViewer(browser, house, desktop.sessionId, { role: 'viewer' });

  assert.ok(await page.getByRole('button', { name: 'Clipboard' }).isHidden());
});

function untilClipboard(page: Page, text: string): Promise<string> {
  return until(
    'the clipboard here',
    () => page.evaluate(() => navigator.clipboard.readText()),
    (now) => now === text,
  );
}

/** How often the page asked for the clipboard. */
async function countReads(page: Page): Promise<() => Promise<number>> {
  const reads = await page.evaluateHandle(() => {
    const count = { reads: 0 };
    const { clipboard } = navigator;
    const read = clipboard.readText.bind(clipboard);
    clipboard.readText = () => {
      count.reads += 1;
      return read();
    };
    return count;
  });
  return async () => (await reads.jsonValue()).reads;
}
