import { expect, test } from 'vitest';
import { backoffDelayMs } from './backoff.ts';

test('tries come 1 s apart, then twice as far each time up to 15 s', () => {
  const delays = [0, 1, 2, 3, 4, 5, 2000].map((attempt) => backoffDelayMs(attempt, undefined, () => 0));

  expect(delays).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

test('a shorter longest wait is kept', () => {
  expect(backoffDelayMs(5, 4000, () => 0)).toBe(4000);
});

test('viewers that were lost together come back at different times, none later than announced', () => {
  expect(backoffDelayMs(2, undefined, () => 0.999)).toBeGreaterThan(2000);
  expect(backoffDelayMs(2, undefined, () => 0.5)).toBe(3000);
});
