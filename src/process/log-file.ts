import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

/** Bytes of a log that are read for its last lines. */
const TAIL_BYTES = 64 * 1024;

/** A log on an open file that never has more than `maxBytes`: what is there is dropped when more comes than fits. */
export function boundedLog(fd: number, maxBytes: number): { write: (text: string) => void } {
  let size = sizeOf(fd);
  return {
    write: (text) => {
      const bytes = Buffer.from(text, 'utf8');
      if (size + bytes.length > maxBytes) {
        truncate(fd);
        size = 0;
      }
      // A full disk, or a terminal that is gone, must not end who logs.
      try {
        size += writeSync(fd, bytes);
      } catch {
        size += bytes.length;
      }
    },
  };
}

/** The last lines of a log; none when it isn't there. */
export function readTail(file: string): string[] {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    // ENOENT: it was removed, or its process never started.
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    return bytes
      .toString('utf8', 0, length)
      .split('\n')
      .filter((line) => line !== '');
  } finally {
    closeSync(fd);
  }
}

function sizeOf(fd: number): number {
  try {
    return fstatSync(fd).size;
  } catch {
    // EBADF: nobody opened it.
    return 0;
  }
}

function truncate(fd: number): void {
  try {
    ftruncateSync(fd);
  } catch {
    // EINVAL: a terminal or a pipe, which has no size to limit.
  }
}
