const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 15_000;

/** How long to wait before try `attempt` (from 0): 1 s doubling to 15 s, or `maxDelayMs`, less up to half at random so that viewers don't come back all at once. */
export function backoffDelayMs(attempt: number, maxDelayMs = MAX_DELAY_MS, random: () => number = Math.random): number {
  const delayMs = Math.min(maxDelayMs, FIRST_DELAY_MS * 2 ** Math.min(attempt, 10));
  return delayMs * (1 - random() / 2);
}
