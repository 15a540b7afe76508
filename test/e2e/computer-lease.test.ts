// Programs and people take turns at one desktop: who drives, until when, who is next.
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { z } from 'zod';
import { openBrowser } from '../harness/browser.ts';
import { openHouse, startDesktop, until } from '../harness/house.ts';
import { openProgram, outcomesOf, type Program } from '../harness/program.ts';
import { openViewer, takeControl, untilHolder } from '../harness/viewer.ts';

const MOVE = { type: 'move', x: 10, y: 10 };
/** One action whose effect others see. */
const HELLO = { type: 'type', text: 'hello' };

test('a person sees the program drive, takes over halfway, and hands back', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  await using browser = await openBrowser();
  const program = await openProgram(house, sessionId, 'controller');
  await program.act([MOVE]);
  const viewer = await openViewer(browser, house, sessionId);
  await viewer.getByText(/^test-controller is driving, until \d/).waitFor();

  const watcher = await openProgram(house, sessionId, 'viewer');
  const before = await hashOf(watcher);
  const typing = program.act([HELLO, { type: 'type', text: 'x'.repeat(20_000) }, { type: 'screenshot' }]);
  await untilItShows(watcher, before);
  await viewer.getByRole('button', { name: 'Take over' }).click();
  const broken = await typing;
  await untilHolder(viewer, 'me');
  const refused = await program.act([MOVE, { type: 'screenshot' }]);
  await viewer.getByText(/^You have control · test-controller waits/).waitFor();
  const meanwhile = await program.lease();
  await viewer.getByRole('button', { name: 'Hand back' }).click();
  await viewer.getByText(/^test-controller is driving, until \d/).waitFor();

  assert.deepEqual(outcomesOf(broken), ['done', 'CONTROL_LOST', 'skipped']);
  assert.deepEqual(outcomesOf(refused), ['CONTROL_TAKEN', 'skipped']);
  const person = { kind: 'person', name: 'test-controller', until: null };
  assert.deepEqual(refused.error?.holder, person);
  assert.deepEqual(meanwhile, { driver: person, stand: 'waiting', queue: [] });
  assert.equal((await program.lease()).stand, 'driving');
  assert.deepEqual(outcomesOf(await program.act([MOVE])), ['done']);
});

test('a program that is silent or gone leaves the desktop to the people at it', async () => {
  await using house = await openHouse({ programIdleMs: 1000 });
  const sessionId = await startDesktop(house, ['xterm']);
  await using browser = await openBrowser();
  const viewer = await openViewer(browser, house, sessionId);
  const silent = await openProgram(house, sessionId, 'controller');
  const gone = await openProgram(house, sessionId, 'controller');

  await silent.act([MOVE]);
  await untilHolder(viewer, 'other');
  await untilHolder(viewer, 'nobody');
  const watcher = await openProgram(house, sessionId, 'viewer');
  const before = await hashOf(watcher);
  const waiting = gone.act([HELLO, { type: 'wait', ms: 60_000 }]);
  await untilItShows(watcher, before);
  await viewer.getByText(/^test-controller is driving/).waitFor();
  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${gone.accessId}`, z.unknown());
  await untilHolder(viewer, 'nobody');
  await viewer.getByText('Nobody has control').waitFor();
  await takeControl(viewer);

  assert.deepEqual(outcomesOf(await waiting), ['done', 'ACCESS_REVOKED']);
  assert.ok(await viewer.getByRole('button', { name: 'Release control' }).isVisible());
});

test('programs wait for the controls in turn, and who has them keeps them no longer than it said', async () => {
  await using house = await openHouse({ programIdleMs: 3000 });
  const sessionId = await startDesktop(house, ['xterm']);
  const first = await openProgram(house, sessionId, 'controller');
  const second = await openProgram(house, sessionId, 'controller');
  const third = await openProgram(house, sessionId, 'controller');

  const taken = await first.lease('POST', {});
  const refused = await second.act([MOVE]);
  await assert.rejects(second.lease('POST', {}), /CONTROL_TAKEN/);
  const turn = second.lease('POST', { waitMs: 60_000 });
  await until(
    'the second waits',
    () => first.lease(),
    ({ queue }) => queue.length === 1,
  );
  const last = third.lease('POST', { waitMs: 60_000 });
  // However busy the first is.
  const broken = await first.act([MOVE, { type: 'hold_key', keys: 'shift', ms: 20_000 }, MOVE]);
  const second2 = await turn;
  await second.lease('DELETE');
  const third2 = await last;

  assert.deepEqual([taken.stand, taken.driver?.kind], ['driving', 'program']);
  assert.deepEqual(outcomesOf(refused), ['CONTROL_TAKEN']);
  assert.equal(refused.error?.holder?.kind, 'program');
  assert.ok(Date.parse(refused.error.holder.until ?? '') > Date.now() - 60_000);
  assert.deepEqual(outcomesOf(broken), ['done', 'CONTROL_TAKEN', 'skipped']);
  assert.deepEqual([second2.stand, third2.stand, third2.queue], ['driving', 'driving', []]);
});

test('who drives keeps the controls no longer by asking for what it has, or how things stand', async () => {
  await using house = await openHouse({ programIdleMs: 2000 });
  const sessionId = await startDesktop(house, ['xterm']);
  const first = await openProgram(house, sessionId, 'controller');
  const second = await openProgram(house, sessionId, 'controller');
  const { driver } = await first.lease('POST', {});

  const turn = second.lease('POST', { waitMs: 60_000 });
  await until(
    'the second waits',
    () => first.lease(),
    ({ queue }) => queue.length === 1,
  );
  const asked = await first.lease('POST', {});
  await turn;
  const freed = await until(
    'the second, which only looks on, has lost them',
    () => second.lease(),
    ({ stand }) => stand !== 'driving',
  );

  assert.deepEqual([asked.stand, asked.driver?.until], ['driving', driver?.until]);
  assert.equal(freed.driver, null);
});

async function untilItShows(watcher: Program, before: string | undefined): Promise<void> {
  await until(
    'the program is seen at work',
    () => hashOf(watcher),
    (hash) => hash !== before,
  );
}

/** Of the screen as it is now. */
async function hashOf(watcher: Program): Promise<string | undefined> {
  const { results } = await watcher.act([{ type: 'screenshot' }]);
  return results[0]?.picture?.hash;
}
