// Programs wait for the screen to come to rest, and act only on the screen that they saw.
import assert from 'node:assert/strict';
import { request } from 'undici';
import { test } from 'vitest';
import { openHouse, startDesktop, until } from '../harness/house.ts';
import { openProgram, outcomesOf, pictureOf } from '../harness/program.ts';

const SETTLED = { type: 'settled', quietMs: 400 };
/** Counts up to each number that is typed. */
const COUNTING = ['xterm', '-e', 'sh', '-c', 'stty -echo; while read -r word; do clear; seq "$word"; done'];
/** Another screen ten times a second. */
const RESTLESS = ['xterm', '-e', 'sh', '-c', 'while :; do date +%N%N%N%N; sleep 0.1; done'];

test('a program gets the picture of a screen at rest, and where it changed', async () => {
  await using house = await openHouse();
  const program = await openProgram(house, await startDesktop(house, COUNTING), 'controller');
  await program.act([SETTLED]);

  const { results } = await program.act([
    { type: 'type', text: '5' },
    { type: 'key', keys: 'Return' },
    { ...SETTLED, tolerance: 0.0001 },
  ]);
  const settled = results[2]?.settled;
  const again = await program.act([{ type: 'settled', quietMs: 200 }]);

  assert.equal(settled?.isQuiet, true);
  const [changed] = settled.changed;
  assert.ok(changed && changed.x < 20 && changed.y < 120 && changed.width < 100 && changed.height < 120);
  assert.deepEqual(again.results[0]?.settled?.changed, []);
});

test('a screen that never rests is shown as it is in the end, and said to be restless', async () => {
  await using house = await openHouse();
  const program = await openProgram(house, await startDesktop(house, RESTLESS), 'viewer');

  const { ok, results } = await until(
    'the terminal paints',
    () => program.act([{ ...SETTLED, timeoutMs: 1500 }]),
    (answer) => answer.results[0]?.settled?.isQuiet === false,
  );

  assert.equal(ok, true);
  assert.ok((results[0]?.settled?.ms ?? 0) >= 1500);
  assert.ok(results[0]?.picture?.data);
});

test('what refers to a screen that has changed does nothing, and what refers to an unchanged part is done', async () => {
  await using house = await openHouse();
  const program = await openProgram(house, await startDesktop(house, COUNTING), 'controller');
  await program.act([{ type: 'click', x: 400, y: 300 }]);
  const { hash } = await pictureOf(await program.act([SETTLED]));
  const count = [
    { type: 'type', text: '300' },
    { type: 'key', keys: 'Return' },
  ];
  const move = { type: 'move', x: 7, y: 8 };
  const region = { x: 400, y: 100, width: 300, height: 400 };

  const first = await program.act(count, { ifUnchanged: { hash } });
  await program.act([SETTLED]);
  const second = await program.act([move, move], { ifUnchanged: { hash } });
  const third = await program.act([{ type: 'cursor_position' }], { ifUnchanged: { hash, region } });
  const unknown = await program.act([move], { ifUnchanged: { hash: 'f'.repeat(64) } });

  assert.deepEqual(outcomesOf(first), ['done', 'done']);
  assert.deepEqual(outcomesOf(second), ['SCREEN_CHANGED', 'skipped']);
  assert.match(second.error?.message ?? '', /\d+x\d+ at \(\d+, \d+\)/);
  assert.deepEqual(third.results[0]?.position, { x: 400, y: 300 });
  assert.deepEqual(outcomesOf(unknown), ['SCREEN_CHANGED']);
});

test('the pointer is in the picture of who wants it there', async () => {
  await using house = await openHouse();
  const program = await openProgram(house, await startDesktop(house, ['xterm']), 'controller');
  await program.act([{ type: 'move', x: 300, y: 200 }, SETTLED]);

  const without = await pictureOf(await program.act([{ type: 'screenshot', format: 'png' }]));
  const withPointer = await pictureOf(await program.act([{ type: 'screenshot', format: 'png', cursor: true }]));

  const differing = [];
  for (let at = 0; at < without.pixels.length; at += 3)
    if (Math.abs((without.pixels[at] ?? 0) - (withPointer.pixels[at] ?? 0)) > 60)
      differing.push({ x: (at / 3) % 800, y: Math.floor(at / 3 / 800) });
  assert.ok(differing.length > 40);
  assert.ok(differing.every(({ x, y }) => x >= 300 && x < 314 && y >= 200 && y < 220));
});

test('what comes after the screen has got another size fails, for its places and pictures are of the one before', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, COUNTING);
  const program = await openProgram(house, sessionId, 'owner');
  const first = await program.act([{ type: 'screenshot' }]);

  const during = program.act([
    { type: 'wait', ms: 2000 },
    { type: 'key', keys: 'Shift_L' },
    { type: 'click', x: 700, y: 500 },
  ]);
  const { statusCode } = await request(`${house.gateway.url}/s/${sessionId}/api/room/screen`, {
    method: 'POST',
    headers: { authorization: `Bearer ${program.token}` },
    body: JSON.stringify({ width: 640, height: 480, rate: 25 }),
  });
  const { results } = await during;
  const after = await program.act([{ type: 'screenshot' }]);

  assert.equal(statusCode, 200);
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['done', 'done', 'failed'],
  );
  assert.partialDeepStrictEqual(results[2]?.error, { code: 'CONFLICT' });
  assert.match(results[2]?.error?.message ?? '', /640x480, and was 800x600/);
  assert.deepEqual(
    [first, after].map(({ results: [shot] }) => shot?.picture?.screen),
    [
      { width: 800, height: 600 },
      { width: 640, height: 480 },
    ],
  );
});
