// The picture: its size, its quality, its figures, and where it is shown.
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { test } from 'vitest';
import { isBlue, middleOf, openBrowser } from '../harness/browser.ts';
import { openHouse, paintedTerminal, startDesktop, until } from '../harness/house.ts';
import { openViewer, takeControl } from '../harness/viewer.ts';

test("an owner's desktop takes the size of the element when it is told to, and everybody sees it whole", async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using browser = await openBrowser();
  const owner = await openViewer(browser, house, sessionId, {
    role: 'owner',
    attributes: { resize: 'remote' },
    context: { viewport: { width: 1031, height: 644 } },
  });
  const viewer = await openViewer(browser, house, sessionId, { role: 'viewer', attributes: { resize: 'remote' } });

  const wanted = { width: 1024, height: 600 };
  await until('the size of the stream', () => sizeOf(owner), same(wanted));
  await until('the size for the other', () => sizeOf(viewer), same(wanted));
  await until('blue', () => middleOf(viewer), isBlue);

  // A viewer's window changes nothing for others, and many steps of an owner's are one change of the desktop.
  await viewer.setViewportSize({ width: 500, height: 500 });
  for (let step = 0; step <= 10; step += 1) await owner.setViewportSize({ width: 900 - step * 10, height: 544 });
  const last = { width: 800, height: 500 };
  assert.deepEqual(await until('the last size', () => sizeOf(owner), same(last)), last);
});

test('the figures are there at a press, and tell the truth about the stream', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, sessionId);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Statistics' }).click();
  const figures = page.getByRole('region', { name: 'Statistics' });
  await takeControl(page);

  const rows = await until(
    'all figures',
    async () => Object.fromEntries(await figures.locator('dl').evaluate(readRows)),
    (now) => Object.values(now).every((value) => value !== '–'),
  );

  assert.equal(rows['Picture'], '800×600 VP8');
  assert.match(rows['Route'] ?? '', /^(host|prflx) → host, UDP$/);
  assert.match(rows['Round trip'] ?? '', /^\d+\.\d ms$/);
  assert.match(rows['Loss'] ?? '', /^\d+\.\d %$/);
});

test('a picture of several is chosen in the menu, as the streamer names them', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using browser = await openBrowser();
  const asked: unknown[] = [];
  // Between the two, as a streamer with three pictures.
  const page = await openViewer(browser, house, sessionId, {
    prepare: (opened) =>
      opened.routeWebSocket(/\/api\/ws/, (near) => {
        const far = near.connectToServer();
        near.onMessage((frame) => {
          const message: unknown = JSON.parse(String(frame));
          if (!/"event":"signal\/video"/.test(String(frame))) far.send(frame);
          else {
            asked.push(message);
            const isAuto = /"auto":true/.test(String(frame));
            const payload = { disabled: false, id: 'small', video: 'small', auto: isAuto };
            near.send(JSON.stringify({ event: 'signal/video', payload }));
          }
        });
        far.onMessage((frame) => {
          near.send(String(frame).replace(/"videos":\[[^\]]*\]/, '"videos":["main","half","small"]'));
        });
      }),
  });

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('menuitemradio', { name: 'small' }).click();
  await page.getByRole('menuitemradio', { name: 'small', checked: true }).waitFor();
  await page.getByRole('menuitemradio', { name: 'Automatic' }).click();
  await page.getByRole('menuitemradio', { name: 'Automatic (small)', checked: true }).waitFor();

  assert.deepEqual(asked, [
    { event: 'signal/video', payload: { selector: { id: 'small', type: 'exact' }, auto: false } },
    { event: 'signal/video', payload: { auto: true } },
  ]);
});

test('the picture goes into a window of its own and back', async ({ skip }) => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, sessionId);
  if (!(await page.evaluate(() => document.pictureInPictureEnabled))) skip('this browser has no picture in picture');
  const isAway = (): Promise<boolean> => page.evaluate(() => document.pictureInPictureElement !== null);

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Picture in picture' }).click();
  await until('the window', isAway, (away) => away);
  await page.getByRole('menuitemcheckbox', { name: 'Picture in picture', checked: true }).click();
  await until('the page again', isAway, (away) => !away);
  assert.ok(isBlue(await middleOf(page)));
});

function sizeOf(page: Page): Promise<{ width: number; height: number }> {
  return page.evaluate(() => {
    const video = document.querySelector('neko-viewer')?.shadowRoot?.querySelector('video');
    return { width: video?.videoWidth ?? 0, height: video?.videoHeight ?? 0 };
  });
}

function same(wanted: { width: number; height: number }): (size: { width: number; height: number }) => boolean {
  return (size) => size.width === wanted.width && size.height === wanted.height;
}

function readRows(list: Element): [string, string][] {
  return [...list.querySelectorAll('dt')].map((name) => [
    name.textContent ?? '',
    name.nextElementSibling?.textContent ?? '',
  ]);
}
