import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, test, vi } from 'vitest';
import { openSocketPair } from '../../../test/harness/socket-pair.ts';
import { KEEPALIVE_MS } from '../../protocol/limits.ts';
import { exchangeByTunnel } from './http-exchange.ts';

const { signal } = new AbortController();

afterEach(() => void vi.useRealTimers());

test('a call whose agent falls silent fails, and is not waited for without an end', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  await using pair = await openSocketPair();
  const answer = exchangeByTunnel(pair.accepted, { head: {}, body: Readable.from([]), maxBytes: 1, signal });
  await once(pair.dialled, 'message');
  pair.dialled.pause();

  vi.advanceTimersByTime(3 * KEEPALIVE_MS);

  await assert.rejects(answer, { code: 'AGENT_OFFLINE' });
});

test('a call that its agent ends while its body is on the way fails as the agent says', async () => {
  await using pair = await openSocketPair();
  const body = new PassThrough();
  const answer = exchangeByTunnel(pair.accepted, { head: {}, body, maxBytes: 100, signal });
  await once(pair.dialled, 'message');

  pair.dialled.close(4502, 'NEKO_UNREACHABLE');
  while (pair.accepted.readyState === pair.accepted.OPEN) await new Promise((resolve) => setImmediate(resolve));
  body.write('more');

  await assert.rejects(answer, { code: 'NEKO_UNREACHABLE' });
});
