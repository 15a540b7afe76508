import assert from 'node:assert/strict';
import { test } from 'vitest';
import { finishOffer, hostCandidates, isPlainUdp, trimAnswer } from './session-description.ts';

const OFFER = [
  'v=0',
  's=-',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=candidate:x 1 udp 1 10.0.0.1 5000 typ host',
  'a=end-of-candidates',
  'a=ice-lite',
  'a=mid:0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=candidate:x 1 udp 1 10.0.0.1 5000 typ host',
  'a=ice-lite',
  'a=mid:1',
  '',
].join('\r\n');

test('an offer names the outer addresses alone, and says ICE lite for the whole session', () => {
  const offer = finishOffer(OFFER, hostCandidates(['192.0.2.1', '192.0.2.2'], 59_000));

  assert.deepEqual(offer.split('\r\n'), [
    'v=0',
    's=-',
    'a=ice-lite',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=mid:0',
    'a=candidate:1 1 udp 2130706431 192.0.2.1 59000 typ host',
    'a=candidate:2 1 udp 2130706175 192.0.2.2 59000 typ host',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:1',
    '',
  ]);
});

test('an answer’s names and TCP candidates are never looked up or dialled', () => {
  const answer = 'v=0\r\na=candidate:1 1 udp 9 abc.local 5 typ host\r\na=candidate:2 1 udp 9 192.0.2.9 5 typ host\r\n';

  assert.equal(trimAnswer(answer), 'v=0\r\na=candidate:2 1 udp 9 192.0.2.9 5 typ host\r\n');
  assert.equal(isPlainUdp('candidate:1 1 tcp 9 192.0.2.9 9 typ host tcptype active'), false);
  assert.equal(isPlainUdp('candidate:1 1 UDP 9 fd00::1 9 typ host'), true);
  assert.equal(isPlainUdp(''), false);
});
