import assert from 'node:assert/strict';
import { afterEach, beforeEach, test, vi } from 'vitest';
import { openSocketPair } from '../../test/harness/socket-pair.ts';
import { KEEPALIVE_MS } from '../protocol/limits.ts';
import { passExchange } from './http-exchange.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

test('a call whose gateway falls silent is over, and nothing of it is left', async () => {
  await using pair = await openSocketPair();
  pair.dialled.pause();

  const over = passExchange(pair.accepted, () => assert.fail('no call came'), 'NEKO_UNREACHABLE');
  vi.advanceTimersByTime(3 * KEEPALIVE_MS);

  assert.equal(await over, undefined);
  assert.equal(pair.accepted.readyState, pair.accepted.CLOSED);
});
