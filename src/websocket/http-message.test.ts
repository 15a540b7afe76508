import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'vitest';
import { openSocketPair } from '../../test/harness/socket-pair.ts';
import { GatewayError } from '../errors.ts';
import { receiveMessage, sendMessage } from './http-message.ts';

const lost = (): GatewayError => new GatewayError('AGENT_OFFLINE', 'lost');

test('a head and a large body arrive as they were sent, however slowly they are read', async () => {
  await using pair = await openSocketPair();
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const receiving = receiveMessage(pair.accepted, lost);

  const sending = sendMessage(pair.dialled, { status: 200 }, Readable.from(Array.from({ length: 64 }, () => chunk)));
  const { head, body } = await receiving;

  assert.deepEqual(JSON.parse(head), { status: 200 });
  assert.equal((await buffer(body)).length, 64 * chunk.length);
  await sending;
});

test('a reader that takes nothing holds the sender back instead of filling memory', async () => {
  await using pair = await openSocketPair();
  let taken = 0;
  const endless = async function* (): AsyncGenerator<Buffer> {
    for (;;) {
      taken += 1;
      yield Buffer.alloc(64 * 1024);
    }
  };
  const receiving = receiveMessage(pair.accepted, lost);
  const sending = sendMessage(pair.dialled, {}, endless());

  const { body } = await receiving;
  await once(body, 'readable');
  // The sender stands still once the queues of both ends and of the kernel are full: well under 64 MB.
  let before = -1;
  while (taken !== before) {
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }

  assert.ok(taken < 1024, `${taken} chunks were taken`);
  pair.dialled.terminate();
  await assert.rejects(sending);
});

test('a body that breaks off is an error and not a short body', async () => {
  await using pair = await openSocketPair();
  const receiving = receiveMessage(pair.accepted, lost);
  pair.dialled.send('{}');
  pair.dialled.send(Buffer.from('half'));
  const { body } = await receiving;
  const reading = buffer(body);

  pair.dialled.close(1000);

  await assert.rejects(reading, { code: 'AGENT_OFFLINE' });
});

test('a socket that closes before it said anything is told as what it is', async () => {
  await using pair = await openSocketPair();
  const receiving = receiveMessage(
    pair.accepted,
    (_code, reason) => new GatewayError('NEKO_UNREACHABLE', reason.toString()),
  );

  pair.dialled.close(4502, 'NEKO_UNREACHABLE');

  await assert.rejects(receiving, { code: 'NEKO_UNREACHABLE' });
});

test('a body before its head, and a second head, are refused', async () => {
  await using pair = await openSocketPair();
  const receiving = receiveMessage(pair.accepted, lost);
  pair.dialled.send(Buffer.from('body'));
  await assert.rejects(receiving, { code: 'BAD_FRAME' });

  await using other = await openSocketPair();
  const second = receiveMessage(other.accepted, lost);
  other.dialled.send('{}');
  other.dialled.send('{}');

  await assert.rejects(buffer((await second).body), { code: 'BAD_FRAME' });
});
