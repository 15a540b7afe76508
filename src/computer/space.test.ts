import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { fitSize, regionToScreen, toScreen, toSpace } from './space.ts';

const LIMITS = { longEdge: 1568, pixels: 1_150_000 };

test.each([
  [
    { width: 1024, height: 768 },
    { width: 1024, height: 768 },
  ],
  [
    { width: 1280, height: 720 },
    { width: 1280, height: 720 },
  ],
  [
    { width: 1920, height: 1080 },
    { width: 1429, height: 804 },
  ],
  [
    { width: 3840, height: 400 },
    { width: 1568, height: 163 },
  ],
])('a screen of %j is shown as %j to a model that takes no more', (screen, picture) => {
  expect(fitSize(screen, LIMITS)).toEqual(picture);
});

test('every place of a picture comes back from the screen as it was, whichever of the two is larger', () => {
  for (const [space, screen] of [
    [
      { width: 100, height: 50 },
      { width: 333, height: 101 },
    ],
    [
      { width: 1429, height: 804 },
      { width: 1920, height: 1080 },
    ],
  ] as const) {
    for (let x = 0; x < space.width; x++) {
      const point = { x, y: x % space.height };
      assert.deepEqual(toSpace(toScreen(point, space, screen), space, screen), point);
    }
  }
});

test('the last place of a picture is on the screen, and the one after it is refused', () => {
  const space = { width: 400, height: 300 };
  const screen = { width: 801, height: 601 };

  assert.deepEqual(toScreen({ x: 399, y: 299 }, space, screen), { x: 799, y: 599 });
  assert.throws(() => toScreen({ x: 400, y: 0 }, space, screen), { code: 'OUT_OF_RANGE' });
  assert.throws(() => toScreen({ x: 0, y: -1 }, space, screen), { code: 'OUT_OF_RANGE' });
  assert.deepEqual(regionToScreen({ x: 0, y: 0, ...space }, space, screen), { x: 0, y: 0, ...screen });
  assert.throws(() => regionToScreen({ x: 1, y: 0, ...space }, space, screen), { code: 'OUT_OF_RANGE' });
});
