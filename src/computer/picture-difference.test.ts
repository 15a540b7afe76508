import assert from 'node:assert/strict';
import { test } from 'vitest';
import { findDifference, type Pixels } from './picture-difference.ts';
import type { Region } from './space.ts';

const SIZE = { width: 200, height: 100 };

test('equal pictures differ in nothing, and neither do those that JPEG alone changed', () => {
  assert.deepEqual(findDifference(painted(0), painted(0)), { share: 0, rectangles: [] });
  assert.deepEqual(findDifference(painted(0), painted(20)), { share: 0, rectangles: [] });
});

test('what changed is told to the pixel, in one rectangle for what lies together', () => {
  const corner = { x: 0, y: 0, width: 1, height: 1 };
  const wide = { x: 70, y: 20, width: 90, height: 50 };

  const { share, rectangles } = findDifference(painted(0), painted(0, [corner, wide]));

  assert.deepEqual(rectangles, [corner, wide]);
  assert.equal(share, (1 + 90 * 50) / (200 * 100));
});

test('only the region counts, and its edges are in it', () => {
  const last = { x: 199, y: 99, width: 1, height: 1 };
  const before = painted(0);
  const after = painted(0, [last]);

  assert.equal(findDifference(before, after, { x: 0, y: 0, width: 199, height: 100 }).share, 0);
  assert.deepEqual(findDifference(before, after, { x: 190, y: 90, width: 10, height: 10 }), {
    share: 0.01,
    rectangles: [last],
  });
});

test('a cell at the right edge is no neighbour of one at the left', () => {
  const right = { x: 195, y: 10, width: 5, height: 5 };
  const left = { x: 0, y: 40, width: 5, height: 5 };

  assert.deepEqual(findDifference(painted(0), painted(0, [right, left])).rectangles, [right, left]);
});

test('many rectangles are told as the one around all, and another size is another picture', () => {
  const specks = Array.from({ length: 20 }, (_, at) => ({ x: at * 64, y: 0, width: 1, height: 1 }));
  const size = { width: 2000, height: 10 };

  const { rectangles } = findDifference(painted(0, [], size), painted(0, specks, size));

  assert.deepEqual(rectangles, [{ x: 0, y: 0, width: 19 * 64 + 1, height: 1 }]);
  assert.equal(findDifference(painted(0), painted(0, [], size)).share, 1);
});

function painted(ground: number, bright: Region[] = [], { width, height } = SIZE): Pixels {
  const data = new Uint8Array(width * height * 3).fill(ground);
  for (const { x, y, ...size } of bright)
    for (let row = y; row < y + size.height; row++)
      data.fill(255, (row * width + x) * 3, (row * width + x + size.width) * 3);
  return { width, height, data };
}
