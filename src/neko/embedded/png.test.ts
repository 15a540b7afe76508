import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { test } from 'vitest';
import { encodePng } from './png.ts';

test('a cursor’s pixels come out as red, green, blue and alpha, no longer premultiplied', () => {
  const png = Buffer.from(encodePng(2, 1, new Uint8Array([0, 64, 128, 128, 9, 9, 9, 0])));

  assert.equal(png.subarray(0, 8).toString('hex'), '89504e470d0a1a0a');
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [2, 1]);
  const length = png.readUInt32BE(33);
  assert.deepEqual([...inflateSync(png.subarray(41, 41 + length))], [0, 255, 128, 0, 128, 0, 0, 0, 0]);
  assert.equal(png.subarray(-12).toString('hex'), '0000000049454e44ae426082');
});

test('too few pixels are refused', () => {
  assert.throws(() => encodePng(2, 2, new Uint8Array(4)), RangeError);
});
