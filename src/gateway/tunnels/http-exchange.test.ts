import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'vitest';
import { openSocketPair } from '../../../test/harness/socket-pair.ts';
import { exchangeByTunnel } from './http-exchange.ts';

const { signal } = new AbortController();

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
