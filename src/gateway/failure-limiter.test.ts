import { assert, test } from 'vitest';
import { FailureLimiter } from './failure-limiter.ts';

test('an address that presents wrong secrets all the time is cut short, until its window is over', () => {
  const limiter = new FailureLimiter();

  const allowed = Array.from({ length: 30 }, () => limiter.allow('10.0.0.1', 1000));

  assert.equal(allowed.filter(Boolean).length, 20);
  assert.equal(limiter.allow('10.0.0.2', 1000), true);
  assert.equal(limiter.allow('10.0.0.1', 1000 + 60_000), true);
});

test('more addresses than it remembers push out the oldest', () => {
  const limiter = new FailureLimiter();
  for (let count = 0; count < 25; count += 1) limiter.allow('first', 0);

  for (let index = 0; index < 10_000; index += 1) limiter.allow(`other-${index}`, 0);

  assert.equal(limiter.allow('first', 0), true);
});
