import { mkdir } from 'node:fs/promises';
import { execa } from 'execa';

/** A disk of so many KiB at a path, which only root can make. */
export async function mountSmallDisk(path: string, kib: number): Promise<AsyncDisposable> {
  await mkdir(path, { recursive: true });
  await execa('mount', ['--types', 'tmpfs', '--options', `size=${kib}k,mode=755`, 'small-disk', path]);
  return {
    [Symbol.asyncDispose]: async () => {
      // Also when something there is still open.
      await execa('umount', ['--lazy', path]);
    },
  };
}
