import { sumOf } from './content.ts';
import { printOf } from './entry.ts';
import { isTold, type Exchange } from './exchange.ts';
import { inParallel } from './in-parallel.ts';

/** Nothing prints so. */
const CHANGED = 'changed';

/**
 * Finds what was written at the remote within the second in which it was carried: it has the same size and, by SFTP's whole seconds, the same time.
 * What is known of it is spoiled, so that it counts as changed.
 * @param fresh what was read since somebody asked; that again only when it changed here
 */
export async function verifyRecent(
  at: Pick<Exchange, 'there' | 'clock' | 'memory' | 'signal' | 'local' | 'remote'>,
  fresh: ReadonlySet<string>,
): Promise<void> {
  await inParallel([...at.memory.unsure], async (path) => {
    const known = at.memory.known.get(path);
    const there = at.remote.get(path);
    if (known === undefined || there?.kind !== 'file' || printOf(there) !== known.remote) return;
    if (there.mtimeMs > at.clock.latest() || (fresh.has(path) && printOf(at.local.get(path)) === known.local)) return;
    const since = at.clock.earliest();
    try {
      await using file = await at.there.open(path, 'read');
      const isKnown = (await sumOf(file, at.signal)) === known.sum;
      if (!isKnown) at.memory.set(path, { ...known, remote: CHANGED, sum: '' });
      else if (isTold(there, since)) at.memory.set(path, { ...known, sum: '' });
    } catch {
      // It changed meanwhile, or can't be read: it stays unsure, and the next look asks again.
    }
  });
}
