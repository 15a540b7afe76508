import assert from 'node:assert/strict';
import { test } from 'vitest';
import { addIceServers } from './ice-servers.ts';
import { ICE_SERVERS_MAX } from './messages.ts';

const TURN = { urls: ['turn:turn.example.org:3478'], username: '1:a', credential: 'c' };
const STUN = { urls: ['stun:stun.example.org'], later: [1] };

function provide(iceservers: unknown): string {
  const video = { disabled: false, id: 'main', auto: false };
  const payload = { sdp: 'v=0\r\n', iceservers, video, audio: { disabled: false }, later: { a: 1 } };
  return JSON.stringify({ event: 'signal/provide', payload });
}

test.each([
  ['null', null, [TURN]],
  ['an empty list', [], [TURN]],
  ['servers of its own', [STUN], [STUN, TURN]],
])('where neko says %s, the viewer hears of ours too, and all else as it was', (_, before, after) => {
  assert.equal(
    addIceServers(provide(before), () => [TURN]),
    provide(after),
  );
});

test('an offer that says nothing of servers gets ours', () => {
  const frame = '{"event":"signal/provide","payload":{"sdp":"v=0"}}';

  assert.deepEqual(JSON.parse(addIceServers(frame, () => [TURN])), {
    event: 'signal/provide',
    payload: { sdp: 'v=0', iceservers: [TURN] },
  });
});

test.each([
  ['another event', '{"event":"signal/restart","payload":{"sdp":"v=0"}}'],
  ['an event whose name only begins so', '{"event":"signal/provided","payload":{"sdp":"v=0"}}'],
  ['odd spaces in another event', '{ "event":"system/heartbeat" }'],
  ['half a frame', '{"event":"signal/provide","payload":{"sdp":"v=0"'],
  ['no payload', '{"event":"signal/provide"}'],
  ['a payload without an offer', '{"event":"signal/provide","payload":{"iceservers":[]}}'],
  ['servers that are no list', '{"event":"signal/provide","payload":{"sdp":"v=0","iceservers":{"0":1}}}'],
  ['a full list', provide(Array.from({ length: ICE_SERVERS_MAX }, () => STUN))],
  ['nothing', ''],
])('%s passes verbatim', (_, frame) => {
  assert.equal(
    addIceServers(frame, () => [TURN]),
    frame,
  );
});
