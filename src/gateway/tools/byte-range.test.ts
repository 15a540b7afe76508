import assert from 'node:assert/strict';
import { test } from 'vitest';
import { readRange } from './byte-range.ts';

test.each([
  ['bytes=0-0', { start: 0, end: 0 }],
  ['bytes=4-7', { start: 4, end: 7 }],
  ['bytes=4-', { start: 4, end: 9 }],
  ['bytes=4-400', { start: 4, end: 9 }],
  ['bytes=-3', { start: 7, end: 9 }],
  ['bytes=-30', { start: 0, end: 9 }],
])('%s of ten bytes is that part of them', (header, range) => {
  assert.deepEqual(readRange(header, 10), range);
});

test.each([undefined, '', 'bytes=', 'bytes=-', 'bytes=7-4', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=a-b'])(
  '%j means all of it',
  (header) => {
    assert.equal(readRange(header, 10), undefined);
  },
);

test.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])(
  '%s of ten bytes is refused, for nothing of it is there',
  (header) => {
    assert.throws(() => readRange(header, 10), { code: 'OUT_OF_RANGE' });
  },
);
