import assert from 'node:assert/strict';
import { once } from 'node:events';
import { pino } from 'pino';
import { test } from 'vitest';
import { FakeNeko } from '../../test/harness/fake-neko.ts';
import { closeOf, nextMessage, openSocketPair } from '../../test/harness/socket-pair.ts';
import { GatewayError } from '../errors.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../protocol/limits.ts';
import { textOf } from '../websocket/frames.ts';
import { clientSocket, Relay, type RelayOptions } from './relay.ts';
import { Upstream } from './upstream.ts';

/** A client, its relay, and neko's end of the login. */
async function openRelay(options: Partial<RelayOptions> = {}) {
  await using opening = new AsyncDisposableStack();
  const neko = opening.use(await FakeNeko.start());
  const pair = opening.use(await openSocketPair());
  const client = clientSocket(pair.accepted);
  pair.accepted.pause();
  const { token } = await neko.neko.login('Ann', 'viewer');
  const upstream = await Upstream.open(neko.neko.socketUrl(token));
  const atNeko = await neko.socketOf(token);
  const open = (): Relay => new Relay(client, upstream, { log: pino({ level: 'silent' }), ...options });
  const owned = opening.move();
  return { client: pair.dialled, upstream, atNeko, open, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('what neko said first comes after the greeting, and then frames pass both ways as they are', async () => {
  await using end = await openRelay({ greeting: '{"event":"gateway/login"}' });
  const request = '{ "event":"signal/request", "payload":{"video":{},"audio":{},"later":[1]} }';
  const heard: string[] = [];
  end.client.on('message', (bytes) => heard.push(textOf(bytes)));
  end.client.send(request);
  const arrived = once(end.atNeko, 'message');

  end.open();

  assert.equal(String((await arrived)[0]), request);
  end.atNeko.send('{"event":"something/new","payload":{"a":1}}');
  while (heard.length < 3) await once(end.client, 'message');
  assert.deepEqual(heard, [
    '{"event":"gateway/login"}',
    '{"event":"system/init","payload":{"session_id":"id-of-token-1","control_host":{"has_host":false}}}',
    '{"event":"something/new","payload":{"a":1}}',
  ]);
});

test.each([
  [1000, 1000],
  [4499, 4499],
])('a client that closes with %s ends the relay so, and its login stays connected', async (sent, code) => {
  await using end = await openRelay();
  const relay = end.open();

  end.client.close(sent, 'WHY');

  assert.deepEqual(await relay.ended, { by: 'client', end: { code, reason: 'WHY' } });
  assert.equal(end.atNeko.readyState, end.atNeko.OPEN);
});

test('a client that was gone before it was joined ends the relay so', async () => {
  await using end = await openRelay();
  end.client.terminate();
  await new Promise((resolve) => setImmediate(resolve));

  const relay = end.open();

  assert.partialDeepStrictEqual(await relay.ended, { by: 'client', end: { code: 1006 } });
});

test('a login that is held without a client answers heartbeats, and what else neko says is dropped', async () => {
  await using end = await openRelay();
  end.upstream.hold();
  const answered = nextMessage(end.atNeko);
  end.atNeko.send('{"event":"something/new"}');

  end.atNeko.send('{"event":"system/heartbeat"}');

  assert.deepEqual(await answered, { event: 'client/heartbeat' });
});

test.each([
  ['{"event":"system/disconnect","payload":{"message":"removed"}}', 'NEKO_REFUSED'],
  ['{"event":"system/disconnect","payload":{"message":"connection shutdown"}}', 'STREAMER_LOST'],
  [undefined, 'STREAMER_LOST'],
])('what a neko that goes says (%s) tells why: %s', async (farewell, code) => {
  await using end = await openRelay();
  end.open();

  if (farewell !== undefined) end.atNeko.send(farewell);
  end.atNeko.terminate();

  assert.equal((await end.upstream.closed).code, code);
});

test('a login that neko does not know is refused, and one that says nothing is given up', async () => {
  await using neko = await FakeNeko.start();

  await assert.rejects(Upstream.open(neko.neko.socketUrl('unknown')), { code: 'NEKO_REFUSED' });
  await assert.rejects(Upstream.open('ws://127.0.0.1:1'), { code: 'NEKO_UNREACHABLE' });
});

test('a frame beyond the limit from neko ends the login and not the process', async () => {
  await using end = await openRelay();
  end.open();

  end.atNeko.send('x'.repeat(SIGNALING_FRAME_MAX_BYTES + 1));

  assert.equal((await end.upstream.closed).code, 'STREAMER_LOST');
});

test.for([
  ['no JSON', 'x', 'BAD_FRAME'],
  ['no envelope', '[]', 'BAD_FRAME'],
  ['an event that nobody knows', '{"event":"system/format-disk"}', 'UNKNOWN_EVENT'],
  ['a payload of the wrong shape', '{"event":"control/move","payload":{"x":"left"}}', 'BAD_FRAME'],
])('%s is answered with what was wrong, kept from neko, and costs the client nothing more', async ([, frame, code]) => {
  await using end = await openRelay();
  const init = nextMessage(end.client);
  end.open();
  await init;
  const told = nextMessage(end.client);
  const arrived = nextMessage(end.atNeko);

  end.client.send(frame ?? '');
  end.client.send('{"event":"client/heartbeat"}');

  assert.partialDeepStrictEqual(await told, { event: 'gateway/error', payload: { code } });
  assert.deepEqual(await arrived, { event: 'client/heartbeat' });
});

test('a client that goes on sending nonsense is closed', async () => {
  await using end = await openRelay();
  const relay = end.open();
  const closed = closeOf(end.client);

  for (let i = 0; i < 30; i++) end.client.send('x');

  assert.deepEqual(await closed, { code: 4400, reason: 'BAD_FRAME' });
  const ended = await relay.ended;
  assert.equal(ended.by === 'relay' && ended.failure.code, 'BAD_FRAME');
});

test('a client that floods is closed', async () => {
  await using end = await openRelay();
  end.open();
  const closed = closeOf(end.client);

  for (let i = 0; i < 10_000; i++) end.client.send('{"event":"client/heartbeat"}');

  assert.deepEqual(await closed, { code: 4429, reason: 'TOO_MANY_MESSAGES' });
});

test('a relay that is closed tells its client why, once, and leaves its login connected', async () => {
  await using end = await openRelay();
  const relay = end.open();
  const closed = closeOf(end.client);

  relay.close(new GatewayError('ACCESS_REVOKED', 'ended by an administrator'));
  relay.close(new GatewayError('KICKED', 'late'));

  assert.deepEqual(await closed, { code: 4403, reason: 'ACCESS_REVOKED' });
  await relay.closed;
  assert.equal(end.atNeko.readyState, end.atNeko.OPEN);
});

test('what neko says can be told differently', async () => {
  await using end = await openRelay({ rewrite: (frame) => [frame.replace('something/new', 'something/else')] });
  const heard: string[] = [];
  end.client.on('message', (bytes) => heard.push(textOf(bytes)));

  end.open();

  end.atNeko.send('{"event":"something/new"}');
  while (!heard.some((frame) => frame.includes('something'))) await once(end.client, 'message');
  assert.equal(heard.at(-1), '{"event":"something/else"}');
});
