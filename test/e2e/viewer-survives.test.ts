// The picture and the hands stay while signaling comes and goes, and what does end comes back by itself.
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { framesOf, isBlue, middleOf, openBrowser } from '../harness/browser.ts';
import { openHouse, pidOf, until } from '../harness/house.ts';
import {
  heldOn,
  holderOf,
  openDisplay,
  openLink,
  openProbedDesktop,
  openViewer,
  recordStates,
  streamsOf,
  takeControl,
  untilLive,
  viewerState,
} from '../harness/viewer.ts';

test('a lost WebSocket takes neither picture nor control away, and the same login goes on', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  await using link = await openLink(house);
  const page = await openViewer(browser, house, desktop.sessionId, { link });
  await takeControl(page);

  link.cut();
  await until(
    'the viewer says that it restores signaling',
    () => viewerState(page),
    (state) => state?.name === 'live' && state.restoring !== undefined,
  );
  assert.ok(await page.getByText('Restoring the connection').isVisible());
  // Typed with no signaling at all.
  await page.keyboard.type('still here');
  await desktop.untilValue('still here');
  assert.equal(await holderOf(page), 'me');

  link.mend();
  await untilLive(page);

  assert.equal(await holderOf(page), 'me');
  assert.equal(await streamsOf(page), 1, 'nothing was negotiated again');
  const before = await framesOf(page);
  await page.keyboard.type(' and here');
  await desktop.untilValue('still here and here');
  await until(
    'frames',
    () => framesOf(page),
    (now) => now > before,
  );
});

test('a gateway that is restarted is not noticed in the picture, and control stays', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  const states = await recordStates(page);

  await house.restartGateway();
  await page.keyboard.type('typed meanwhile');
  await desktop.untilValue('typed meanwhile');
  await until('signaling again', states, (seen) => seen.at(-1) === 'live' && seen.includes('live restoring'));

  assert.ok((await states()).every((state) => state.startsWith('live')));
  assert.equal(await holderOf(page), 'me');
  assert.equal(await streamsOf(page), 1);
});

test('a streamer that is killed is waited for, and keys that were held are not held afterwards', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  await page.keyboard.down('Shift');

  process.kill(await pidOf(house, desktop.sessionId, 'streamer'), 'SIGKILL');
  await until(
    'the viewer says that it is gone',
    () => viewerState(page),
    (state) => state?.name === 'reconnecting',
  );
  await untilLive(page);

  await until('the picture', () => middleOf(page), isBlue);
  await using display = await openDisplay(house, desktop.sessionId);
  await until(
    'no modifier is down',
    () => heldOn(display),
    (mask) => mask === 0,
  );
});

test('a picture that stands still although the desktop was driven is asked for again, and says so', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  // Nothing can be captured then, while the streamer answers.
  const screen = await pidOf(house, desktop.sessionId, 'x-server');

  process.kill(screen, 'SIGSTOP');
  try {
    await until(
      'the viewer says so',
      async () => {
        await page.keyboard.type('x');
        return page.getByText('The picture stands still').count();
      },
      (count) => count > 0,
    );
  } finally {
    process.kill(screen, 'SIGCONT');
  }
  await untilLive(page);
  const before = await framesOf(page);
  await page.mouse.click(400, 300);
  await page.keyboard.type('moves again');
  await until(
    'frames again',
    () => framesOf(page),
    (now) => now > before,
  );
});
