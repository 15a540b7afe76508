import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'vitest';
import { closeOf, openSocketPair } from '../../test/harness/socket-pair.ts';
import { closeSocket, closeWith, failureOfClose } from './closing.ts';
import { keepAlive } from './keep-alive.ts';

test('a peer that answers pings is left alone, one that has gone silent is told once', async () => {
  await using pair = await openSocketPair();
  let silences = 0;
  const silent = new Promise<void>((resolve) => {
    keepAlive(pair.dialled, 20, () => {
      silences += 1;
      resolve();
    });
  });
  await once(pair.dialled, 'pong');
  await once(pair.dialled, 'pong');
  assert.equal(silences, 0);

  // A paused peer reads no ping, as one behind a dead link.
  pair.accepted.pause();
  await silent;

  assert.equal(silences, 1);
});

test('a peer that we do not listen to ourselves is not taken for silent', async () => {
  await using pair = await openSocketPair();
  let silences = 0;
  const end = keepAlive(pair.dialled, 20, () => (silences += 1));
  pair.dialled.pause();

  for (let ping = 0; ping < 5; ping += 1) await once(pair.accepted, 'ping');

  end();
  assert.equal(silences, 0);
});

test('a close carries the code and the name of its failure', async () => {
  await using pair = await openSocketPair();
  const closed = closeOf(pair.dialled);

  closeWith(pair.accepted, 'KICKED');

  assert.deepEqual(await closed, { code: 4410, reason: 'KICKED' });
  assert.equal(failureOfClose(Buffer.from('KICKED')), 'KICKED');
  assert.equal(failureOfClose(Buffer.from('goodbye')), undefined);
});

test('a peer that does not answer a close is cut off', async () => {
  await using pair = await openSocketPair();
  pair.accepted.pause();
  const closed = closeOf(pair.dialled);

  closeSocket(pair.dialled, 1000, '');

  assert.equal((await closed).code, 1006);
});

test('closing a closed socket does no harm', async () => {
  await using pair = await openSocketPair();
  const closed = closeOf(pair.dialled);
  closeSocket(pair.dialled, 1000, '');
  await closed;

  closeSocket(pair.dialled, 1000, '');

  assert.equal(pair.dialled.readyState, pair.dialled.CLOSED);
});
