import { assert, test } from 'vitest';
import { RestartPolicy } from './restart-policy.ts';

const LIMITS = { firstDelayMs: 500, maxDelayMs: 3000, restartsMax: 5, peaceMs: 60_000 };

test('each restart in a row waits twice as long, up to the cap, and the sixth failure is the end', () => {
  const policy = new RestartPolicy(LIMITS);

  const delays = Array.from({ length: 6 }, () => policy.next(10));

  assert.deepEqual(delays, [500, 1000, 2000, 3000, 3000, undefined]);
});

test('a minute of peace starts the count again', () => {
  const policy = new RestartPolicy(LIMITS);
  for (let count = 0; count < 5; count += 1) policy.next(59_999);

  assert.equal(policy.next(60_000), 500);
});
