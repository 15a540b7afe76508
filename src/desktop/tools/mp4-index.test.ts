import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { endOfPlayable } from './mp4-index.ts';

const HEAD = Buffer.concat([box('ftyp', 8), box('moov', 20)]);
const FRAGMENT = Buffer.concat([box('moof', 30), box('mdat', 100)]);
/** With its size in 64 bits. */
const LONG = Buffer.concat([
  Buffer.from([0, 0, 0, 1]),
  Buffer.from('mdat'),
  Buffer.alloc(7),
  Buffer.from([20]),
  Buffer.alloc(4),
]);

test.each([
  ['two fragments and an index', [HEAD, FRAGMENT, FRAGMENT, box('mfra', 12)], 4],
  ['a fragment that was cut', [HEAD, FRAGMENT, FRAGMENT.subarray(0, 60)], 2],
  ['a fragment whose size is not known yet', [HEAD, FRAGMENT, box('moof', 30), Buffer.from('\0\0\0\0mdatabc')], 2],
  ['a long fragment', [HEAD, box('moof', 30), LONG], 3],
  ['no fragment', [HEAD], 0],
  ['an index alone', [HEAD, box('mfra', 12)], 0],
  ['boxes that lie of their size', [HEAD, Buffer.from('\0\0\0\x02moofxx')], 0],
  ['nothing', [], 0],
])('of a file with %s what plays is known', async (_what, parts, whole) => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'file.mp4');
  await writeFile(path, Buffer.concat(parts));
  await using file = await open(path);

  const end = await endOfPlayable(file);

  assert.equal(end, Buffer.concat(parts.slice(0, whole)).length);
});

function box(type: string, bytes: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + bytes);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, Buffer.alloc(bytes)]);
}
