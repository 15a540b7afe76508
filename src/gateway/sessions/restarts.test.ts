import { assert, test } from 'vitest';
import { nextRestart, RESTARTS_MAX } from './restarts.ts';

const NOW = Date.parse('2026-01-01T01:00:00.000Z');
const onFailure = { restart: 'on-failure' } as const;

function failed(after: Partial<{ restarts: number; lastedMs: number; pool: string }> = {}) {
  const { restarts = 0, lastedMs = 5000, pool = null } = after;
  return { restarts, pool, started_at: new Date(NOW - lastedMs).toISOString() };
}

test('each restart waits twice as long as the one before, up to the limit, and then there is none', () => {
  const delays = Array.from({ length: RESTARTS_MAX + 1 }, (_, restarts) => {
    const next = nextRestart(failed({ restarts }), onFailure, NOW);
    return next && Date.parse(next.at) - NOW;
  });

  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, undefined]);
});

test('a session that ran well for a while begins anew with its restarts', () => {
  const next = nextRestart(failed({ restarts: RESTARTS_MAX, lastedMs: 11 * 60_000 }), onFailure, NOW);

  assert.deepInclude(next, { restarts: 1, inWords: 'restart 1 of 5 follows in 1 s' });
});

test('there is no restart for who did not ask, never ran, or waits in a pool', () => {
  assert.isUndefined(nextRestart(failed(), { restart: 'never' }, NOW));
  assert.isUndefined(nextRestart({ started_at: null, restarts: 0, pool: null }, onFailure, NOW));
  assert.isUndefined(nextRestart(failed({ pool: 'key' }), onFailure, NOW));
  assert.isDefined(nextRestart({ started_at: null, restarts: 2, pool: null }, onFailure, NOW));
});
