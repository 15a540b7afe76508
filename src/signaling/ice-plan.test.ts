import assert from 'node:assert/strict';
import { test } from 'vitest';
import { formatCandidate, parseCandidate } from './candidate.ts';
import { choosePlan, parseReachAddress, rewriteCandidate, type Offerable } from './ice-plan.ts';

const TURN = { urls: ['turn:turn.example.org:3478'], username: '1:a', credential: 'c' };
const TCP = [{ address: '192.0.2.1', port: 59_900 }];
const ALL: Offerable = {
  addresses: [{ address: '198.51.100.7' }, { address: '10.0.0.7', network: '10.0.0.0/8' }, { address: '2001:db8::7' }],
  isPublished: false,
  turn: () => TURN,
  tcp: TCP,
};
const NOTHING: Offerable = { addresses: [], isPublished: false, turn: undefined, tcp: [] };
const VIEWER = { address: '203.0.113.5' };
const HOST = 'candidate:1 1 udp 2130706431 172.17.0.2 59000 typ host';

function told(candidate: string, can: Offerable, address = VIEWER.address): string[] {
  const read = parseCandidate(candidate);
  assert(read);
  return rewriteCandidate(read, choosePlan(can, { address })).map(formatCandidate);
}

test('a viewer that asks for nothing is offered all that can be had', () => {
  const plan = choosePlan(ALL, VIEWER);

  assert.deepEqual(plan.plans, ['direct', 'turn', 'tcp']);
  assert.equal(plan.reason, 'all that can be had');
});

test('a viewer is offered what it asks for, in the order of preference, and told what of it is missing', () => {
  const plan = choosePlan({ ...ALL, tcp: [] }, { ...VIEWER, plans: ['tcp', 'turn', 'direct'] });

  assert.deepEqual(plan.plans, ['direct', 'turn']);
  assert.match(plan.reason, /^as the client asked; no tcp: the gateway takes no media over TCP/);
});

test.each([
  ['turn', /no turn: the host has no TURN server \(--turn\)/],
  ['tcp', /no tcp: the gateway takes no media over TCP \(--tcp-media\)/],
] as const)('what can only be had by %s, and not there, is refused with the way out', (plan, message) => {
  assert.throws(() => choosePlan(NOTHING, { ...VIEWER, plans: [plan] }), { code: 'ICE_PLAN_UNAVAILABLE', message });
});

test('a host that declares no address for where a viewer comes from is not reached straight', () => {
  const can = { ...ALL, addresses: [{ address: '10.0.0.7', network: '10.0.0.0/8' }] };

  assert.deepEqual(choosePlan(can, VIEWER).plans, ['turn', 'tcp']);
  assert.deepEqual(choosePlan(can, { address: '::ffff:10.1.2.3' }).plans, ['direct', 'turn', 'tcp']);
});

test('each viewer is told the addresses that are for it, the first one first', () => {
  assert.deepEqual(told(HOST, ALL), ['candidate:1 1 udp 2130706431 198.51.100.7 59000 typ host']);
  assert.deepEqual(told(HOST, ALL, '10.1.2.3'), [
    'candidate:1 1 udp 2130706431 198.51.100.7 59000 typ host',
    'candidate:1n1 1 udp 2130706175 10.0.0.7 59000 typ host',
  ]);
});

test('a port that is published is told at the host’s addresses of both families, one of the host’s own at its own', () => {
  const v6 = 'candidate:2 1 udp 2130706431 fd00::2 59001 typ host';

  assert.deepEqual(told(HOST, { ...ALL, isPublished: true }), [
    'candidate:1 1 udp 2130706431 198.51.100.7 59000 typ host',
    'candidate:1n1 1 udp 2130706175 2001:db8::7 59000 typ host',
  ]);
  assert.deepEqual(told(v6, ALL), ['candidate:2 1 udp 2130706431 2001:db8::7 59001 typ host']);
});

test.each([
  ['without declared addresses', HOST, NOTHING],
  ['that is no host’s', 'candidate:3 1 udp 1677729535 198.51.100.9 4000 typ srflx raddr 0.0.0.0 rport 0', ALL],
  ['with a name', 'candidate:4 1 udp 2130706431 9b1d.local 59000 typ host', ALL],
  [
    'when loopback is declared, which other machines’ viewers can’t reach',
    HOST,
    { ...ALL, addresses: [{ address: '127.0.0.1' }] },
  ],
])('a candidate %s is told as it is', (_, candidate, can) => {
  assert.deepEqual(told(candidate, can), [candidate]);
});

test('a viewer that may use no UDP is told of none', () => {
  const read = parseCandidate(HOST);
  assert(read);

  assert.deepEqual(rewriteCandidate(read, choosePlan(ALL, { ...VIEWER, plans: ['tcp'] })), []);
});

test.each(['198.51.100.7', '2001:db8::7', '10.0.0.7=10.0.0.0/8', '2001:db8::7=2001:db8::/32'])(
  '%s is an address',
  (text) => {
    assert.equal(parseReachAddress(text).address, text.split('=')[0]);
  },
);

test.each([
  '',
  'host.example',
  '1.2.3',
  '10.0.0.7=',
  '10.0.0.7=10.0.0.0',
  '10.0.0.7=10.0.0.0/33',
  '10.0.0.7=x/8',
  '1.2.3.4=1.2.3.4/8=x',
])('"%s" is none', (text) => {
  assert.throws(() => parseReachAddress(text), { code: 'BAD_REQUEST' });
});
