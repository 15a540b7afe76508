import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'vitest';
import { GatewayError, type FailureCode } from '../errors.ts';
import {
  decodeFromAgent,
  decodeFromGateway,
  dispatch,
  encodeFromAgent,
  encodeFromGateway,
  type FromAgent,
} from './control.ts';
import { SessionSpec } from './session.ts';

const envelope = { id: '1', type: 'ack', timestamp: '2026-01-01T00:00:00Z', payload: { commandId: randomUUID() } };

function failsWith(code: FailureCode): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof GatewayError && thrown.code === code;
}

test('what one end encodes, the other decodes', () => {
  const commandId = randomUUID();
  const command = {
    action: 'start_session',
    sessionId: 's-1',
    spec: SessionSpec.parse({ screen: { width: 800, height: 600, rate: 25 }, audio: false, home: 'ann' }),
  } as const;

  const message = decodeFromGateway(
    encodeFromGateway('command', { commandId, deadline: new Date().toISOString(), command }),
  );

  assert.equal(message.type, 'command');
  assert.deepEqual(message.type === 'command' && message.payload.command, command);
  assert.deepEqual(decodeFromAgent(encodeFromAgent('ack', { commandId })).payload, { commandId });
});

test('a session that names nothing gets 1280x720 at 25 frames a second, with sound, limits, and no second life', () => {
  const text = JSON.stringify({
    ...envelope,
    type: 'command',
    payload: {
      commandId: randomUUID(),
      deadline: new Date().toISOString(),
      command: { action: 'start_session', sessionId: 's-1', spec: {} },
    },
  });

  const message = decodeFromGateway(text);

  assert.ok(message.type === 'command' && message.payload.command.action === 'start_session');
  assert.deepEqual(message.payload.command.spec, {
    screen: { width: 1280, height: 720, rate: 25 },
    audio: true,
    mounts: [],
    environment: {},
    resources: { cpus: 2, memoryMb: 2048, pids: 512, shmMb: 512 },
    restart: 'never',
  });
});

test.for([
  ['text that is no JSON', '{'],
  ['JSON that is no envelope', '[]'],
  ['null', 'null'],
  ['an envelope without a payload that fits', JSON.stringify({ ...envelope, payload: { commandId: 'x' } })],
  ['a time that is none', JSON.stringify({ ...envelope, timestamp: 1_700_000_000 })],
  [
    'a path in a session id',
    JSON.stringify({ ...envelope, type: 'session.updated', payload: { sessionId: '../etc', state: 'running' } }),
  ],
])('%s is refused as BAD_FRAME', ([, text]) => {
  assert.throws(() => decodeFromAgent(text ?? ''), failsWith('BAD_FRAME'));
});

test.for(['restart', 'toString', '__proto__', 'constructor'])(
  'the unknown type %s is told apart from a broken frame',
  (type) => {
    assert.throws(() => decodeFromAgent(JSON.stringify({ ...envelope, type })), failsWith('UNKNOWN_EVENT'));
  },
);

test.for(['LD_PRELOAD', 'NEKO_SESSION_API_TOKEN', 'DISPLAY', 'PATH', 'A=B', ''])(
  'a session may not set the variable "%s"',
  (name) => {
    const command = { action: 'start_session', sessionId: 's-1', spec: { environment: { [name]: 'x' } } };
    const text = JSON.stringify({
      ...envelope,
      type: 'command',
      payload: { commandId: randomUUID(), deadline: new Date().toISOString(), command },
    });

    assert.throws(() => decodeFromGateway(text), failsWith('BAD_FRAME'));
  },
);

test.for([
  ['vnc_closed', 'vnc_closed'],
  ['vnc_error', 'vnc_closed'],
  ['vnc_close', 'vnc_closed'],
  ['create_vnc_tunnel', 'initialize_vnc_tunnel'],
  ['initialize_vnc_tunnel', 'initialize_vnc_tunnel'],
] as const)('a message that some call %s is %s', ([name, type]) => {
  const tunnelId = crypto.randomUUID();
  const closed = { tunnelId, sessionId: 's-1', reason: { code: 'VNC_LOST', message: 'it hung up' } };
  const payload = type === 'vnc_closed' ? closed : { tunnelId, sessionId: 's-1', ticket: 'a'.repeat(64) };
  const text = JSON.stringify({ ...envelope, type: name, payload });

  assert.deepEqual(decodeFromGateway(text), { ...envelope, type, payload });
  if (type === 'vnc_closed') assert.deepEqual(decodeFromAgent(text), { ...envelope, type, payload });
});

test('a message reaches the one handler of its type', () => {
  const heard: string[] = [];
  const hear = (type: string) => (): void => void heard.push(type);
  const handlers = {
    hello: hear('hello'),
    heartbeat: hear('heartbeat'),
    ack: hear('ack'),
    progress: hear('progress'),
    result: hear('result'),
    'session.updated': hear('session.updated'),
    'login.updated': hear('login.updated'),
    'media.offered': hear('media.offered'),
    'media.used': hear('media.used'),
    'media.withdrawn': hear('media.withdrawn'),
    'tunnel.refused': hear('tunnel.refused'),
    vnc_ready: hear('vnc_ready'),
    vnc_closed: hear('vnc_closed'),
  };

  dispatch<FromAgent>(handlers, decodeFromAgent(JSON.stringify(envelope)));

  assert.deepEqual(heard, ['ack']);
});

test.for([
  { image: 'ghcr.io/m1k1o/neko/firefox:3.0.4' },
  { image: 'nekogate/desktop' },
  { image: 'localhost:5000/desk@sha256:' + 'a'.repeat(64) },
  { resources: { cpus: 0.5 } },
  { mounts: [{ root: 'data', path: 'ann/files', target: '/mnt/files', readOnly: false }] },
  { mounts: [{ root: 'data', target: '/home/neko/.cache/x' }] },
  { home: 'ann-browser', idleTimeoutSeconds: 1, maxDurationSeconds: 86_400, restart: 'on-failure' },
])('a session can be ordered with %j', (choice) => {
  assert.ok(SessionSpec.safeParse(choice).success);
});

test.for([
  { image: '../etc' },
  { image: 'UPPER/case' },
  { image: 'a b' },
  { image: '-v' },
  { resources: { cpus: 0 } },
  { resources: { memoryMb: 1.5 } },
  { home: '../ann' },
  { home: 'Ann' },
  { idleTimeoutSeconds: 0 },
  { maxDurationSeconds: 1e12 },
  { restart: 'always' },
  { mounts: [{ root: '/srv', target: '/mnt/x' }] },
  { mounts: [{ root: 'data', path: '../x', target: '/mnt/x' }] },
  { mounts: [{ root: 'data', path: 'a/./b', target: '/mnt/x' }] },
  { mounts: [{ root: 'data', path: '/etc', target: '/mnt/x' }] },
  { mounts: [{ root: 'data', path: '', target: '/mnt/x' }] },
  { mounts: [{ root: 'data', path: 'a\0b', target: '/mnt/x' }] },
  { mounts: [{ root: 'data', target: '/mnt' }] },
  { mounts: [{ root: 'data', target: '/etc/x' }] },
  { mounts: [{ root: 'data', target: '/mnt/../etc' }] },
  { mounts: [{ root: 'data', target: '/home/neko' }] },
  { mounts: [{ root: 'data', target: '/mnt/x', source: '/etc' }] },
  { mounts: ['a', 'b'].map((path) => ({ root: 'data', path, target: '/mnt/x' })) },
])('a session can not be ordered with %j', (choice) => {
  assert.ok(!SessionSpec.safeParse(choice).success);
});
