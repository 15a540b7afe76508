import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves once something is at the path, as a socket when its program listens; it is looked for every `everyMs`. @throws the signal's reason */
export async function untilThere(path: string, everyMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await access(path);
    } catch {
      // ENOENT until it is.
      await sleep(everyMs, undefined, { signal });
    }
  }
}
