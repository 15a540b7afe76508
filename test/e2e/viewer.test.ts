import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { z } from 'zod';
import { test } from 'vitest';
import { framesOf, isBlue, isGreen, isRed, middleOf, openBrowser, stateOf } from '../harness/browser.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until } from '../harness/house.ts';

test('people watch and drive a desktop in the browser, each as far as their role goes', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const typed = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, paintedTerminal(typed));
  const [controller, viewer] = await Promise.all([
    grant(house, sessionId, 'controller'),
    grant(house, sessionId, 'viewer'),
  ]);
  await using browser = await openBrowser();
  const driving = await browser.newPage();
  const watching = await browser.newPage();
  await Promise.all([driving.goto(controller.viewUrl), watching.goto(viewer.viewUrl)]);

  // A colour that is drawn on the desktop is seen in both videos.
  await until('blue in the driving video', () => middleOf(driving), isBlue);
  await until('blue in the watching video', () => middleOf(watching), isBlue);

  // A viewer may press and type as they like: the desktop stays as it is.
  await watching.mouse.click(400, 300);
  await watching.keyboard.type('nothing of this arrives');
  await until('frames after the click', () => framesOf(watching), await moreThan(watching, 15));
  assert.ok(isBlue(await middleOf(watching)));

  // A controller's click and text change it, and everybody sees it.
  await driving.mouse.click(400, 300);
  await until('red in the driving video', () => middleOf(driving), isRed);
  await driving.keyboard.type('Hello, World! {1+2=3}');
  await driving.keyboard.press('Enter');
  await until('green in the watching video', () => middleOf(watching), isGreen);
  assert.equal(await readFile(typed, 'utf8'), 'Hello, World! {1+2=3}');

  // Nothing of the token is left in the address bar.
  assert.equal(new URL(driving.url()).hash, '');
});

test('a revoked access goes dark within two seconds and says why; the others go on', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const [revoked, kept] = await Promise.all([grant(house, sessionId, 'viewer'), grant(house, sessionId, 'viewer')]);
  await using browser = await openBrowser();
  const losing = await browser.newPage();
  const keeping = await browser.newPage();
  await Promise.all([losing.goto(revoked.viewUrl), keeping.goto(kept.viewUrl)]);
  await until('the losing video', () => middleOf(losing), isBlue);
  await until('the keeping video', () => middleOf(keeping), isBlue);

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${revoked.id}`, z.unknown());

  await losing
    .getByText(/revoked/i)
    .first()
    .waitFor({ timeout: 2000 });
  const logins = await until(
    'one login left',
    () => loginsOf(house, sessionId),
    (left) => left.length === 1,
    2000,
  );
  assert.equal(logins.length, 1);
  const frames = await framesOf(losing);
  await until('frames of the other', () => framesOf(keeping), await moreThan(keeping, 15));
  assert.equal(await framesOf(losing), frames);
});

test('a kicked client is told so, and may come back with its access', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const access = await grant(house, sessionId, 'viewer');
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(access.viewUrl);
  await until('the video', () => middleOf(page), isBlue);
  const [login] = await loginsOf(house, sessionId);

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/logins/${login?.loginId}`, z.unknown());

  await until(
    'the end',
    () => stateOf(page),
    (state) => state === 'closed',
  );
  await page.reload();
  await until('the video again', () => middleOf(page), isBlue);
});

test('a session that was stopped says so to those who watch and to those who come later', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const access = await grant(house, sessionId, 'viewer');
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(access.viewUrl);
  await until('the video', () => middleOf(page), isBlue);

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}`, z.unknown());

  await until(
    'the end',
    () => stateOf(page),
    (state) => state === 'closed',
  );
  const late = await browser.newPage();
  await late.goto(access.viewUrl);
  await until(
    'the late one too',
    () => stateOf(late),
    (state) => state === 'closed',
  );
  await late.getByText(/ended/i).first().waitFor();
});

test('a wrong link says that it is wrong, without a desktop behind it', async () => {
  await using house = await openHouse();
  await using browser = await openBrowser();
  const page = await browser.newPage();

  await page.goto(`${house.gateway.url}/view/s-nothing#access=wrong`);

  await until(
    'the end',
    () => stateOf(page),
    (state) => state === 'closed',
  );
});

async function loginsOf(
  house: Awaited<ReturnType<typeof openHouse>>,
  sessionId: string,
): Promise<{ loginId: string }[]> {
  const Logins = z.object({ logins: z.array(z.object({ loginId: z.string() })) });
  return (await house.callApi('GET', `/api/v1/sessions/${sessionId}/logins`, Logins)).logins;
}

async function moreThan(page: Page, frames: number): Promise<(now: number) => boolean> {
  const before = await framesOf(page);
  return (now) => now >= before + frames;
}
