import { partName } from './names.ts';
import type { Side } from './side.ts';

/** What time it is where the files are, in ms: within these. */
export interface Clock {
  earliest(): number;
  latest(): number;
}

/** Nobody knows. */
export const NO_CLOCK: Clock = { earliest: () => -Infinity, latest: () => Infinity };

/** By a file that is made there and removed. */
export async function askTime(side: Side, partId: string): Promise<Clock> {
  const name = partName('', partId);
  const askedAt = performance.now();
  await using file = await side.open(name, 'make');
  const answeredAt = performance.now();
  await file.close();
  const made = await side.find(name);
  await side.remove(name, 'file');
  if (made?.kind !== 'file') return NO_CLOCK;
  const { mtimeMs } = made;
  return {
    earliest: () => mtimeMs + (performance.now() - answeredAt),
    latest: () => mtimeMs + 1000 + (performance.now() - askedAt),
  };
}
