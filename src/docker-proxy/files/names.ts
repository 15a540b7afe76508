import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { copyContent } from './content.ts';
import { PART_PREFIX } from './filter.ts';
import type { LocalSide } from './local-side.ts';
import type { RemoteSide } from './remote-side.ts';
import type { Side } from './side.ts';

/** Of a file system's names, in bytes. */
const NAME_MAX = 255;

/** Beside the path, so that it is on the same disk. */
export function partName(path: string, partId: string): string {
  return posix.join(posix.dirname(path), `${PART_PREFIX}${partId}-${randomUUID()}`);
}

interface Ends {
  here: LocalSide;
  there: RemoteSide;
  isInPlace: boolean;
  partId: string;
  signal: AbortSignal;
}

/** Keeps what the remote has under another name: there, from where it comes here. A single file, which must stay where it is, as a copy here. */
export async function keepBeside({ here, there, isInPlace, partId, signal }: Ends, path: string): Promise<void> {
  const name = await freeName([here, there], path);
  if (!isInPlace) return there.move(path, name);
  const part = partName(path, partId);
  await using source = await there.open(path, 'read');
  await using copied = await here.open(part, 'make');
  await copyContent(source, copied, signal);
  await here.move(part, name);
}

/** `notes.txt` becomes `notes.remote-20261121-081500.txt`, or `….remote-20261121-081500-2.txt`. */
export async function freeName(sides: readonly Side[], path: string): Promise<string> {
  const { dir, name, ext } = posix.parse(path);
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z$/g, '')
    .replace('T', '-');
  for (let number = 1; ; number++) {
    const end = `.remote-${stamp}${number === 1 ? '' : `-${number}`}`;
    const room = NAME_MAX - Buffer.byteLength(end);
    const free = posix.join(
      dir,
      shorten(name, room - Math.min(room, Buffer.byteLength(ext))) + end + shorten(ext, room),
    );
    const taken = await Promise.all(sides.map((side) => side.find(free)));
    if (taken.every((entry) => entry === undefined)) return free;
  }
}

function shorten(text: string, bytes: number): string {
  // A character that was cut is none.
  return Buffer.from(text)
    .subarray(0, bytes)
    .toString('utf8')
    .replace(/\uFFFD$/, '');
}
