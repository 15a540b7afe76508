// Several people at one desktop: one drives, the others watch and ask, and nobody's keys get into somebody else's.
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { openBrowser } from '../harness/browser.ts';
import { openHouse, until } from '../harness/house.ts';
import { heldOn, openDisplay, openProbedDesktop, openViewer, takeControl, untilHolder } from '../harness/viewer.ts';

const SHIFT_MASK = 1;

test('who asks for control is seen by its holder, who gives it or keeps it', async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using browser = await openBrowser();
  const holder = await openViewer(browser, house, desktop.sessionId);
  await takeControl(holder);
  const asker = await openViewer(browser, house, desktop.sessionId);
  await untilHolder(asker, 'other');

  await asker.getByRole('button', { name: 'Ask for control' }).click();
  await holder.getByText(/^test-controller asks for control/).waitFor();
  await holder.getByRole('button', { name: 'Keep', exact: true }).click();
  await asker.getByText(/^test-controller keeps control/).waitFor();
  assert.ok(await asker.getByRole('button', { name: 'Ask for control' }).isVisible());

  await asker.getByRole('button', { name: 'Ask for control' }).click();
  await holder.getByRole('button', { name: 'Give', exact: true }).click();
  await untilHolder(asker, 'me');
  await untilHolder(holder, 'other');
  assert.ok(await holder.getByRole('button', { name: 'Give', exact: true }).isHidden());

  // From now on it is the other's keys that arrive.
  await asker.keyboard.type('given');
  await holder.keyboard.type('lost');
  assert.equal(await desktop.untilValue('given'), 'given');
});

test("a second viewer's keys and buttons never mix with those of the one who drives", async () => {
  await using house = await openHouse();
  await using desktop = await openProbedDesktop(house);
  await using display = await openDisplay(house, desktop.sessionId);
  await using browser = await openBrowser();
  const first = await openViewer(browser, house, desktop.sessionId);
  await takeControl(first);
  const second = await openViewer(browser, house, desktop.sessionId);
  await first.keyboard.type('ab');
  await desktop.untilValue('ab');

  // The first holds a key and a button; the second presses, types, scrolls and lets go of the same.
  await first.keyboard.down('Shift');
  await first.mouse.down();
  await until(
    'Shift and the button are down',
    () => heldOn(display),
    (mask) => (mask & 0x101) === 0x101,
  );
  await second.mouse.click(200, 200);
  await second.keyboard.down('Shift');
  await second.keyboard.press('x');
  await second.keyboard.up('Shift');
  await second.mouse.wheel(0, 300);
  await first.mouse.up();
  await first.keyboard.press('C');

  await desktop.untilValue('abC');
  assert.equal((await heldOn(display)) & SHIFT_MASK, SHIFT_MASK);
  assert.ok(desktop.events().every(({ type, key }) => type !== 'wheel' && key !== 'x' && key !== 'X'));

  // The second takes over while the first still holds Shift: it types small letters.
  await first.getByRole('button', { name: 'Release control' }).click();
  await untilHolder(second, 'nobody');
  await takeControl(second);
  await second.keyboard.press('End');
  await second.keyboard.type('d');
  await first.keyboard.up('Shift');
  assert.equal(await desktop.untilValue('abCd'), 'abCd');
});
