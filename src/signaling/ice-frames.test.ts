import assert from 'node:assert/strict';
import { test } from 'vitest';
import { seededRandom } from '../../test/harness/random.ts';
import { formatCandidate, parseCandidate } from './candidate.ts';
import { rewriteFrame } from './ice-frames.ts';
import type { ChosenPlan } from './ice-plan.ts';
import { ICE_SERVERS_MAX } from './messages.ts';

const TURN = { urls: ['turn:turn.example.org:3478'], username: '1:a', credential: 'c' };
const STUN = { urls: ['stun:stun.example.org'], later: [1] };
const AS_IT_IS: ChosenPlan = {
  plans: ['direct'],
  reason: '',
  addresses: [],
  isPublished: false,
  turn: undefined,
  tcp: [],
};
const WITH_TURN: ChosenPlan = { ...AS_IT_IS, plans: ['direct', 'turn'], turn: () => TURN };
const BY_TCP: ChosenPlan = { ...AS_IT_IS, plans: ['tcp'], tcp: [{ address: '192.0.2.1', port: 59_900 }] };

const SDP = [
  'v=0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=ice-ufrag:abcd',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=ice-ufrag:abcd',
  '',
];
const UDP = 'candidate:1 1 udp 2130706431 172.17.0.2 59000 typ host';

function provide(iceservers: unknown, sdp = 'v=0\r\n'): string {
  const video = { disabled: false, id: 'main', auto: false };
  const payload = { sdp, iceservers, video, audio: { disabled: false }, later: { a: 1 } };
  return JSON.stringify({ event: 'signal/provide', payload });
}

function trickle(candidate: string): string {
  return JSON.stringify({ event: 'signal/candidate', payload: { candidate, sdpMid: '0', sdpMLineIndex: 0 } });
}

test.each([
  ['null', null, [TURN]],
  ['an empty list', [], [TURN]],
  ['servers of its own', [STUN], [STUN, TURN]],
])('where neko says %s, the viewer hears of ours too, and all else as it was', (_, before, after) => {
  assert.deepEqual(rewriteFrame(provide(before), WITH_TURN).frames, [provide(after)]);
});

test('credentials are made for each offer', () => {
  let made = 0;
  const plan = { ...WITH_TURN, turn: () => ({ ...TURN, username: String((made += 1)) }) };

  const frames = [provide(null), trickle(UDP), provide(null)].flatMap((frame) => rewriteFrame(frame, plan).frames);

  assert.equal(made, 2);
  assert(frames[0]?.includes('"username":"1"') && frames[2]?.includes('"username":"2"'));
});

test.each([
  ['another event', '{"event":"system/heartbeat"}'],
  ['an event whose name only begins so', '{"event":"signal/provided","payload":{"sdp":"v=0"}}'],
  ['half a frame', '{"event":"signal/provide","payload":{"sdp":"v=0"'],
  ['no payload', '{"event":"signal/provide"}'],
  ['a payload without an offer', '{"event":"signal/provide","payload":{"iceservers":[]}}'],
  ['servers that are no list', '{"event":"signal/provide","payload":{"sdp":"v=0","iceservers":{"0":1}}}'],
  ['a full list of servers', provide(Array.from({ length: ICE_SERVERS_MAX }, () => STUN))],
  ['a restart without candidates', '{"event":"signal/restart","payload":{"sdp":"v=0\\r\\n"}}'],
  ['a candidate that is none', trickle('candidate:what')],
  ['the end of the candidates', trickle('')],
  ['nothing', ''],
])('%s passes verbatim', (_, frame) => {
  assert.deepEqual(rewriteFrame(frame, WITH_TURN).frames, [frame]);
});

test.each(['\r\n', '\n'])(
  'a viewer held to TCP hears of the gateway’s port in the first section, and of no UDP',
  (newline) => {
    const sdp = SDP.toSpliced(3, 0, `a=${UDP}`).join(newline);

    const { frames, heard } = rewriteFrame(provide(null, sdp), BY_TCP);

    const tcp = 'candidate:nekogatetcp0 1 tcp 16777215 192.0.2.1 59900 typ host tcptype passive';
    assert.deepEqual(frames, [provide(null, SDP.toSpliced(3, 0, `a=${tcp}`).join(newline))]);
    assert.deepEqual([heard?.ufrag, heard?.told], ['abcd', [tcp]]);
    assert.deepEqual(heard?.candidates.map(formatCandidate), [UDP]);
    assert.deepEqual(rewriteFrame(trickle(UDP), BY_TCP).frames, []);
  },
);

test('one candidate becomes one for each address of the host', () => {
  const plan = { ...AS_IT_IS, addresses: ['198.51.100.7', '198.51.100.8'] };

  const { frames, heard } = rewriteFrame(trickle(UDP), plan);

  assert.deepEqual(
    frames.map((frame) => JSON.parse(frame)),
    [
      { candidate: 'candidate:1 1 udp 2130706431 198.51.100.7 59000 typ host', sdpMid: '0', sdpMLineIndex: 0 },
      { candidate: 'candidate:1n1 1 udp 2130706175 198.51.100.8 59000 typ host', sdpMid: '0', sdpMLineIndex: 0 },
    ].map((payload) => ({ event: 'signal/candidate', payload })),
  );
  assert.equal(heard?.told.length, 2);
});

test('what is read of a candidate is written as it was, whatever it has, and odd texts are never read', () => {
  const random = seededRandom(7);
  const pick = (all: readonly string[]): string => all[Math.floor(random() * all.length)] ?? '';
  for (let round = 0; round < 2000; round += 1) {
    const address = pick(['10.0.0.1', '::1', '2001:db8::1', 'a.local']);
    const text = `candidate:${pick(['1', 'a+/b', '842163049'])} ${pick(['1', '2'])} ${pick(['udp', 'UDP', 'tcp'])} ${Math.floor(random() * 2 ** 31)} ${address} ${Math.floor(random() * 65_536)} typ ${pick(['host', 'srflx', 'relay'])}${pick(['', ' tcptype passive', ' raddr 0.0.0.0 rport 0 generation 0'])}`;
    const cut = text.slice(0, Math.floor(random() * text.length));
    const odd = text.replace(pick([' ', ':', 'typ']), pick(['', '  ', '\r\n', '%']));

    const read = parseCandidate(text);
    assert.equal(read && formatCandidate(read), text);
    for (const one of [cut, odd]) {
      const again = parseCandidate(one);
      if (again) assert.equal(formatCandidate(again), one);
    }
  }
});
