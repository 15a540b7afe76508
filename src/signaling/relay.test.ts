import assert from 'node:assert/strict';
import { once } from 'node:events';
import { pino } from 'pino';
import { test } from 'vitest';
import type { WebSocket } from 'ws';
import { closeOf, listen, nextMessage, openSocketPair } from '../../test/harness/socket-pair.ts';
import { GatewayError } from '../errors.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../protocol/limits.ts';
import { openRelay, type NekoLogins } from './relay.ts';

const options = {
  loginId: '0f8fad5b-d9cb-469f-a165-70867728950e',
  role: 'viewer',
  label: 'Ann',
  log: pino({ level: 'silent' }),
} as const;

/** A neko that keeps its books: who is logged in, and its end of the one WebSocket. */
async function startNeko() {
  const server = await listen();
  const logins: string[] = [];
  const accepted = once(server.sockets, 'connection').then(([socket]: WebSocket[]) => {
    assert.ok(socket);
    return socket;
  });
  const neko: NekoLogins = {
    async login(name, role) {
      logins.push(`${name} as ${role}`);
      return { token: 'secret' };
    },
    async logout() {
      logins.pop();
    },
    socketUrl: () => server.url,
  };
  return { neko, logins, accepted, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('frames pass both ways as they are, whatever more they carry', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  pair.accepted.pause();
  await openRelay(pair.accepted, neko.neko, options);
  const upstream = await neko.accepted;
  const request = '{ "event":"signal/request", "payload":{"video":{},"audio":{},"later":[1]} }';

  const arrived = once(upstream, 'message');
  pair.dialled.send(request);

  assert.equal(String((await arrived)[0]), request);
  const answered = once(pair.dialled, 'message');
  upstream.send('{"event":"something/new","payload":{"a":1}}');
  assert.equal(String((await answered)[0]), '{"event":"something/new","payload":{"a":1}}');
});

test('what the client says while its login is being made is not lost', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  pair.accepted.pause();
  pair.dialled.send('{"event":"client/heartbeat"}');
  const first = neko.accepted.then((upstream) => nextMessage(upstream));

  await openRelay(pair.accepted, neko.neko, options);

  assert.deepEqual(await first, { event: 'client/heartbeat' });
});

test('what neko says with its very first packet is not lost', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  void neko.accepted.then((upstream) => upstream.send('{"event":"system/init","payload":{}}'));
  const first = nextMessage(pair.dialled);

  await openRelay(pair.accepted, neko.neko, options);

  assert.deepEqual(await first, { event: 'system/init', payload: {} });
});

test("a client that leaves is logged out, and neko's socket closed as leaving", async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const relay = await openRelay(pair.accepted, neko.neko, options);
  const upstreamClosed = closeOf(await neko.accepted);
  assert.deepEqual(neko.logins, ['Ann-0f8fad5b as viewer']);

  pair.dialled.close(1000);

  assert.equal((await upstreamClosed).code, 1000);
  await relay.closed;
  assert.deepEqual(neko.logins, []);
});

test('a client that is gone before its login is made leaves no login behind', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const gone = once(pair.accepted, 'close');
  pair.dialled.terminate();
  await gone;

  const relay = await openRelay(pair.accepted, neko.neko, options);

  await relay.closed;
  assert.deepEqual(neko.logins, []);
});

test('a client whose streamer dies is told so, and that trying again helps', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const relay = await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);
  const told = nextMessage(pair.dialled);

  (await neko.accepted).terminate();

  assert.partialDeepStrictEqual(await told, {
    event: 'gateway/error',
    payload: { code: 'STREAMER_LOST', retryable: true },
  });
  assert.deepEqual(await closed, { code: 4502, reason: 'STREAMER_LOST' });
  await relay.closed;
  assert.deepEqual(neko.logins, []);
});

test('a client that neko itself throws out is told that neko did', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);

  const upstream = await neko.accepted;
  upstream.send('{"event":"system/disconnect","payload":{"message":"removed"}}');
  upstream.close(1000);

  assert.deepEqual(await closed, { code: 4502, reason: 'NEKO_REFUSED' });
});

test('a client whose neko shuts down is told to come back', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);

  const upstream = await neko.accepted;
  upstream.send('{"event":"system/disconnect","payload":{"message":"connection shutdown"}}');
  upstream.terminate();

  assert.deepEqual(await closed, { code: 4502, reason: 'STREAMER_LOST' });
});

test.for([
  ['no JSON', 'x', 'BAD_FRAME'],
  ['no envelope', '[]', 'BAD_FRAME'],
  ['an event that nobody knows', '{"event":"system/format-disk"}', 'UNKNOWN_EVENT'],
  ['a payload of the wrong shape', '{"event":"control/move","payload":{"x":"left"}}', 'BAD_FRAME'],
])('%s is answered with what was wrong, kept from neko, and costs the client nothing more', async ([, frame, code]) => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  await openRelay(pair.accepted, neko.neko, options);
  const upstream = await neko.accepted;
  const told = nextMessage(pair.dialled);
  const arrived = nextMessage(upstream);

  pair.dialled.send(frame ?? '');
  pair.dialled.send('{"event":"client/heartbeat"}');

  assert.partialDeepStrictEqual(await told, { event: 'gateway/error', payload: { code } });
  assert.deepEqual(await arrived, { event: 'client/heartbeat' });
});

test('a client that goes on sending nonsense is closed', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const relay = await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);

  for (let i = 0; i < 30; i++) pair.dialled.send('x');

  assert.deepEqual(await closed, { code: 4400, reason: 'BAD_FRAME' });
  await relay.closed;
  assert.deepEqual(neko.logins, []);
});

test('a client that floods is closed', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);

  for (let i = 0; i < 10_000; i++) pair.dialled.send('{"event":"client/heartbeat"}');

  assert.deepEqual(await closed, { code: 4429, reason: 'TOO_MANY_MESSAGES' });
});

test('a frame beyond the limit from neko ends the login and not the process', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const relay = await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);

  (await neko.accepted).send('x'.repeat(SIGNALING_FRAME_MAX_BYTES + 1));

  assert.equal((await closed).reason, 'STREAMER_LOST');
  await relay.closed;
  assert.deepEqual(neko.logins, []);
});

test('a login that neko refuses is told to the client with its reason', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const closed = closeOf(pair.dialled);
  const refuses: NekoLogins = { ...neko.neko, login: () => Promise.reject(new GatewayError('NEKO_REFUSED', 'locked')) };

  await assert.rejects(openRelay(pair.accepted, refuses, options), { code: 'NEKO_REFUSED' });

  assert.deepEqual(await closed, { code: 4502, reason: 'NEKO_REFUSED' });
});

test('a login whose WebSocket neko refuses is logged out again', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const closed = closeOf(pair.dialled);

  await assert.rejects(openRelay(pair.accepted, { ...neko.neko, socketUrl: () => 'ws://127.0.0.1:1' }, options), {
    code: 'NEKO_UNREACHABLE',
  });

  assert.deepEqual(await closed, { code: 4502, reason: 'NEKO_UNREACHABLE' });
  assert.deepEqual(neko.logins, []);
});

test('a revoked client is told why, and both ends are closed and logged out', async () => {
  await using neko = await startNeko();
  await using pair = await openSocketPair();
  const relay = await openRelay(pair.accepted, neko.neko, options);
  const closed = closeOf(pair.dialled);

  await Promise.all([
    relay.close(new GatewayError('ACCESS_REVOKED', 'ended by an administrator')),
    relay.close(new GatewayError('KICKED', 'late')),
  ]);

  assert.deepEqual(await closed, { code: 4403, reason: 'ACCESS_REVOKED' });
  assert.deepEqual(neko.logins, []);
});
