import assert from 'node:assert/strict';
import { test } from 'vitest';
import { parseTurnServers, turnServerFor } from './turn.ts';

const SERVERS = { urls: ['turn:turn.example.org:3478'], secret: 'north' };
const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

test('credentials last an hour, and are what coturn makes of secret and name', () => {
  const server = turnServerFor(SERVERS, { loginId: 'abc', expiresAt: '2026-01-02T00:00:00Z' }, NOW_MS);

  assert.deepEqual(server, {
    urls: ['turn:turn.example.org:3478'],
    username: '1767229200:abc',
    // printf 1767229200:abc | openssl dgst -sha1 -hmac north -binary | base64
    credential: 'D8wthRrBCU0dj9YSonFB5YtuaxM=',
  });
});

test('they end with the login when that ends sooner', () => {
  const { username } = turnServerFor(SERVERS, { loginId: 'abc', expiresAt: '2026-01-01T00:01:00Z' }, NOW_MS);

  assert.equal(username, '1767225660:abc');
});

test.each([
  'turn:turn.example.org',
  'turns:turn.example.org:5349?transport=tcp',
  'turn:192.0.2.7:3478?transport=udp',
  'turn:[2001:db8::7]:3478',
])('%s is a TURN server', (url) => {
  assert.deepEqual(parseTurnServers([url], 'north'), { urls: [url], secret: 'north' });
});

test.each([
  'turn.example.org',
  'stun:turn.example.org',
  'turn://turn.example.org',
  'turn:user@turn.example.org',
  'turn:turn.example.org:0',
  'turn:turn.example.org:65536',
  'turn:turn.example.org?transport=sctp',
  '',
])('"%s" is refused before a browser has to', (url) => {
  assert.throws(() => parseTurnServers([url], 'north'), { code: 'BAD_REQUEST' });
});

test('servers without a secret are refused; without servers there is nothing to tell', () => {
  assert.throws(() => parseTurnServers(SERVERS.urls, undefined), { code: 'BAD_REQUEST' });
  assert.throws(() => parseTurnServers(SERVERS.urls, ''), { code: 'BAD_REQUEST' });
  assert.equal(parseTurnServers([], 'north'), undefined);
});
