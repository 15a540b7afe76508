// Elements of real programs: found by their names, and used.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, test } from 'vitest';
import { findAdminToken } from '../../src/cli/api.ts';
import { connect, type Desktop, type Element } from '../../src/sdk/index.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, until, type House } from '../harness/house.ts';

const FORM = fileURLToPath(new URL('../fixtures/greeting-form.py', import.meta.url));

const owned = new AsyncDisposableStack();
let house: House;
let greeted: string;
let form: { desktop: Desktop; sessionId: string };
beforeAll(async () => {
  house = owned.use(await openHouse());
  greeted = join(owned.use(await temporaryFolder()).path, 'greeted');
  form = await openDesktop(['/usr/bin/python3', FORM, greeted]);
});
afterAll(() => owned.disposeAsync());

test('a program types into an entry, presses a button and reads what came of it, by their names', async () => {
  const { desktop, sessionId } = form;
  const found = (role: string, name: string): Promise<Element> => untilFound(desktop, role, name);

  const entry = await found('text', 'Your name');
  assert.deepEqual([entry.value, entry.actions.includes('setText')], ['', true]);
  const typed = await desktop.accessibility.act(entry.ref, 'setText', { value: 'Zoë' });
  assert.equal(typed?.value, 'Zoë');
  const loud = await desktop.accessibility.act((await found('check box', 'Loud')).ref, 'press');
  assert.equal(loud?.states.includes('checked'), true);
  await desktop.accessibility.act((await found('push button', 'Greet')).ref, 'press');
  await found('label', 'Hello Zoë!');
  assert.equal(await readFile(greeted, 'utf8'), 'Hello Zoë!');

  const focused = await desktop.accessibility.act(entry.ref, 'focus');
  assert.equal(focused?.states.includes('focused'), true);
  const volume = await found('slider', 'Volume');
  assert.equal((await desktop.accessibility.act(volume.ref, 'setValue', { value: 7 }))?.value, 7);
  assert.equal((await found('password text', 'Password')).value, undefined);
  const tab = await desktop.accessibility.act((await found('page tab', 'Two')).ref, 'select');
  assert.equal(tab?.states.includes('selected'), true);
  const { ref: more } = await found('toggle button', 'More');
  for (const action of ['expand', 'expand', 'collapse'])
    assert.equal(
      (await desktop.accessibility.act(more, action))?.states.includes('expanded'),
      action === 'expand',
      action,
    );

  // Where it is on the screen is where a click goes.
  const { box } = await found('check box', 'Loud');
  assert.ok(box);
  await desktop.act([{ type: 'click', x: box.x + box.width / 2, y: box.y + box.height / 2 }]);
  await until(
    'the box is not checked any more',
    () => find(desktop, 'check box', 'Loud'),
    (element) => element?.states.includes('checked') === false,
  );

  const windows = await desktop.windows();
  const window = windows.find(({ title }) => title === 'Greeting form');
  const ofWindow = await desktop.accessibility.tree({ window: window?.id ?? '' });
  assert.deepEqual(
    ofWindow.programs.map(({ children }) => children.map(({ name }) => name)),
    [['Greeting form']],
  );
  const few = await desktop.accessibility.tree({ max: 3 });
  assert.deepEqual([flat(few.programs).length, few.isWhole], [3, false]);

  const viewer = connect({ url: house.gateway.url, token: (await grant(house, sessionId, 'viewer')).token });
  await assert.rejects(viewer.desktop(sessionId).accessibility.tree(), { code: 'FORBIDDEN' });
  await assert.rejects(viewer.desktop(sessionId).accessibility.act(entry.ref, 'focus'), { code: 'FORBIDDEN' });
});

test('an element that is gone, an action that it has not, and a program that hangs are told as that', async () => {
  const { desktop } = form;
  const away = await untilFound(desktop, 'push button', 'Remove me');
  const entry = await untilFound(desktop, 'text', 'Your name');
  const hang = await untilFound(desktop, 'push button', 'Hang');

  assert.equal(await desktop.accessibility.act(away.ref, 'press'), undefined);
  await assert.rejects(desktop.accessibility.act(away.ref, 'press'), { code: 'ELEMENT_GONE' });
  await assert.rejects(desktop.accessibility.act(`00000000${entry.ref.slice(8)}`, 'focus'), { code: 'ELEMENT_GONE' });
  await assert.rejects(desktop.accessibility.act(entry.ref, 'expand'), { code: 'ACTION_INVALID' });
  await assert.rejects(desktop.accessibility.act(entry.ref, 'setText', { value: 7 }), { code: 'ACTION_INVALID' });

  await desktop.accessibility.act(hang.ref, 'press').catch(() => undefined);
  const tree = await desktop.accessibility.tree();
  assert.deepEqual([flat(tree.programs), tree.isWhole], [[], false]);
  await assert.rejects(desktop.accessibility.act(entry.ref, 'focus'), { code: 'TOOLS_FAILED', retryable: true });
});

test("a browser tells of its pages' elements where the order asks for it", async () => {
  const { desktop } = await openDesktop(undefined, { accessibility: true });
  const page =
    '<title>A page</title><button onclick="this.textContent=`Pressed`">Press me</button><input aria-label="Search">';
  await desktop.files.write('page.html', page);
  await desktop.open('page.html');

  const button = await untilFound(desktop, 'push button', 'Press me');
  await desktop.accessibility.act(button.ref, 'press');

  await untilFound(desktop, 'push button', 'Pressed');
  const ofWindow = await desktop.accessibility.tree({ window: (await desktop.focusedWindow())?.id ?? '' });
  assert.ok(flat(ofWindow.programs).some(({ name }) => name === 'Pressed'));
  const search = await untilFound(desktop, 'entry', 'Search');
  await desktop.accessibility.act(search.ref, 'focus');
  await desktop.act([{ type: 'type', text: 'found' }]);
  await until(
    'the text is there',
    () => find(desktop, 'entry', 'Search'),
    (element) => element?.value === 'found',
  );
});

async function openDesktop(
  app: string[] | undefined,
  more: { accessibility?: boolean } = {},
): Promise<{ desktop: Desktop; sessionId: string }> {
  const token = await findAdminToken(house.environment);
  const nekogate = connect({ url: house.gateway.url, token });
  const order = { ...(app && { app }), audio: false, screen: { width: 1000, height: 700 }, ...more };
  const { id } = await nekogate.sessions.create(order, { wait: true });
  owned.defer(async () => void (await nekogate.sessions.stop(id)));
  return { desktop: owned.use(await nekogate.openDesktop(id)), sessionId: id };
}

function untilFound(desktop: Desktop, role: string, name: string): Promise<Element> {
  return until(
    `${role} ${name}`,
    () => find(desktop, role, name),
    (element) => element !== undefined,
  ).then((element) => element ?? assert.fail());
}

async function find(desktop: Desktop, role: string, name: string): Promise<Element | undefined> {
  const { programs } = await desktop.accessibility.tree();
  return flat(programs).find((element) => element.role === role && element.name === name);
}

function flat(elements: readonly Element[]): Element[] {
  return elements.flatMap((element) => [element, ...flat(element.children)]);
}
