// What is typed in a browser is what arrives on the desktop, whatever keys, layouts and input methods made it.
import assert from 'node:assert/strict';
import type { CDPSession } from 'playwright-core';
import { test } from 'vitest';
import { readEnvironment } from '../../src/config.ts';
import { isCharacter } from '../../src/input/keysyms.ts';
import { openBrowser } from '../harness/browser.ts';
import { openHouse, until } from '../harness/house.ts';
import { heldOn, openDisplay, openProbedDesktop, openViewer, takeControl } from '../harness/viewer.ts';

const PLAIN = 'Hello, World! {[~^`|\\]} "quoted" 1+2=3 <a@b>';
const ALT_GRAPH = 'AltGraph';
// neko presses a key in the moment in which it maps it, before Chromium has read the new map: docs/conformance.md. Which characters
// streamers map is shown in a terminal by typing.test.ts.
const [COMPOSED, PUT_IN] = readEnvironment().nekoBin === undefined ? ['漢字', '😀👩🏽Ωя!'] : ['Œuvre', 'À…’!'];

test('text arrives as it was typed: plain keys, AltGr, dead keys, input methods, emoji', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  const keys = await page.context().newCDPSession(page);

  await page.keyboard.type(PLAIN);
  await desktop.untilValue(PLAIN);

  // A German keyboard: AltGr and E, Q, and the key beside the left Shift.
  await page.keyboard.down(ALT_GRAPH);
  for (const [key, code] of [
    ['€', 'KeyE'],
    ['@', 'KeyQ'],
    ['|', 'IntlBackslash'],
  ] as const)
    await stroke(keys, key, code);
  await page.keyboard.up(ALT_GRAPH);
  await stroke(keys, 'ß', 'Minus');
  await stroke(keys, 'ö', 'Semicolon');
  await desktop.untilValue(`${PLAIN}€@|ßö`);

  // A dead key says only that it is one; the browser puts in what it makes with the next.
  await keys.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Dead', code: 'Quote' });
  await keys.send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'Dead', code: 'Quote' });
  await page.keyboard.insertText('é');
  await desktop.untilValue(`${PLAIN}€@|ßöé`);

  // An input method: nothing arrives before it is done.
  await keys.send('Input.imeSetComposition', { text: 'か', selectionStart: 1, selectionEnd: 1 });
  await keys.send('Input.imeSetComposition', { text: 'かん', selectionStart: 2, selectionEnd: 2 });
  await keys.send('Input.insertText', { text: COMPOSED });
  await page.keyboard.insertText(PUT_IN);
  await desktop.untilValue(`${PLAIN}€@|ßöé${COMPOSED}${PUT_IN}`);

  // Nothing is left in the field, and no modifier is down on the desktop.
  await using display = await openDisplay(house, desktop.sessionId);
  assert.equal(await heldOn(display), 0);
  const left = await page.evaluate(
    () => document.querySelector('neko-viewer')?.shadowRoot?.querySelector<HTMLTextAreaElement>('.keys')?.value,
  );
  assert.equal(left, '');
});

test('left and right modifiers, and the keypad, are the keys that they are', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  desktop.forget();

  const pressed = ['ShiftLeft', 'ShiftRight', 'ControlLeft', 'ControlRight', 'AltLeft', 'Numpad7', 'NumpadAdd', 'F5'];
  for (const key of pressed.slice(0, -1)) await page.keyboard.press(key);
  await page.keyboard.press('ArrowLeft');

  await until(
    'the last key',
    () => Promise.resolve(desktop.events()),
    (events) => events.some(({ type, code }) => type === 'keyup' && code === 'ArrowLeft'),
  );
  const codes = desktop.events().flatMap(({ type, code }) => (type === 'keydown' ? [code] : []));
  assert.deepEqual(codes, [...pressed.slice(0, -1), 'ArrowLeft']);
});

test('capitals come out right with CapsLock, with Shift, and with both', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  const keys = await page.context().newCDPSession(page);

  // CapsLock is on here: the letter comes as a capital without Shift, and as a small one with it.
  await stroke(keys, 'CapsLock', 'CapsLock');
  await stroke(keys, 'A', 'KeyA');
  await page.keyboard.down('Shift');
  await stroke(keys, 'b', 'KeyB');
  await stroke(keys, 'C', 'KeyC');
  await page.keyboard.up('Shift');
  await stroke(keys, 'd', 'KeyD');

  assert.equal(await desktop.untilValue('AbCd'), 'AbCd');
});

test('no modifier stays down when the focus, the page or the control goes', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using display = await openDisplay(house, desktop.sessionId);
  await using browser = await openBrowser();
  const page = await openViewer(browser, house, desktop.sessionId);
  await takeControl(page);
  const isDown = (mask: number): boolean => mask !== 0;
  const isUp = (mask: number): boolean => mask === 0;
  const hold = async (): Promise<void> => {
    await page.mouse.click(400, 300);
    await page.keyboard.down('Shift');
    await page.keyboard.down('Control');
    await until('modifiers are down', () => heldOn(display), isDown);
  };

  await hold();
  await page.evaluate(() =>
    document.querySelector('neko-viewer')?.shadowRoot?.querySelector<HTMLElement>('.keys')?.blur(),
  );
  await until('up after the focus went', () => heldOn(display), isUp);
  await page.keyboard.up('Shift');
  await page.keyboard.up('Control');

  await hold();
  await page.evaluate(() => window.dispatchEvent(new Event('blur')));
  await until('up after the window lost the focus', () => heldOn(display), isUp);
  await page.keyboard.up('Shift');
  await page.keyboard.up('Control');

  // Released where this page could not see it: the next event says so.
  await hold();
  const keys = await page.context().newCDPSession(page);
  await keys.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x: 300, y: 300, modifiers: 0 });
  await until('up after the pointer told', () => heldOn(display), isUp);
  await page.keyboard.up('Shift');
  await page.keyboard.up('Control');

  await hold();
  await page.getByRole('button', { name: 'Release control' }).click();
  await until('up after control was released', () => heldOn(display), isUp);
  await page.keyboard.up('Shift');
  await page.keyboard.up('Control');

  await hold();
  await page.mouse.down();
  await page.close();
  await until('up after the page was closed', () => heldOn(display), isUp);
});

async function stroke(keys: CDPSession, key: string, code: string): Promise<void> {
  const text = isCharacter(key) ? { text: key } : {};
  await keys.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code, ...text });
  await keys.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code });
}
