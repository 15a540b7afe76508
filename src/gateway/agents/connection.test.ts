import { once } from 'node:events';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { openSocketPair } from '../../../test/harness/socket-pair.ts';
import { decodeFromGateway, encodeFromAgent, PROTOCOL_VERSION, type AgentPayloads } from '../../protocol/control.ts';
import { AgentConnection, type AgentListener } from './connection.ts';

const COMMAND = { action: 'stop_session', sessionId: 's-1' } as const;

async function openLive(listener: Partial<AgentListener> = {}) {
  const pair = await openSocketPair();
  const row = { id: 'host-1', label: '', key_hash: '', created_at: '', last_seen_at: null, revoked_at: null };
  const connection = new AgentConnection(pair.accepted, row, {
    heartbeatMs: 60_000,
    keepAliveMs: 60_000,
    tcpMedia: () => [],
    log: pino({ level: 'silent' }),
    listener: {
      sessionReported: async () => undefined,
      loginReported: () => undefined,
      tunnelReady: () => undefined,
      tunnelRefused: () => undefined,
      mediaOffered: () => undefined,
      mediaUsed: () => undefined,
      mediaWithdrawn: () => undefined,
      ...listener,
    },
  });
  const say = <T extends keyof AgentPayloads>(type: T, payload: AgentPayloads[T]): void =>
    pair.dialled.send(encodeFromAgent(type, payload));
  const hear = async () => decodeFromGateway(String((await once(pair.dialled, 'message'))[0]));
  say('hello', {
    protocol: PROTOCOL_VERSION,
    agentId: 'host-1',
    instanceId: crypto.randomUUID(),
    version: '',
    hostname: '',
    capabilities: { runtimes: [], streamer: 'neko', maxSessions: 1 },
    sessions: [],
    logins: [],
  });
  await connection.hello;
  connection.welcome();
  await hear();
  return { connection, say, hear, pair, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

async function failureOf(running: Promise<void>): Promise<unknown> {
  return running.then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}

test('a command ends with what the agent says, and its progress is heard meanwhile', async () => {
  await using live = await openLive();
  const progress: string[] = [];

  const running = live.connection.run(COMMAND, { deadlineMs: 60_000, onProgress: (text) => void progress.push(text) });
  const message = await live.hear();
  assert(message.type === 'command');
  const { commandId } = message.payload;
  live.say('ack', { commandId });
  live.say('progress', { commandId, message: 'stopping Xvnc' });
  live.say('result', { commandId, error: { code: 'SESSION_LIMIT', message: 'no' } });

  assert.equal(await failureOf(running), 'SESSION_LIMIT');
  assert.deepEqual(progress, ['stopping Xvnc']);
});

test('an agent that does not finish in time: the caller is told, and a late answer harms nothing', async () => {
  await using live = await openLive();

  const running = live.connection.run(COMMAND, { deadlineMs: 50 });
  const message = await live.hear();
  assert(message.type === 'command');

  assert.equal(await failureOf(running), 'COMMAND_TIMEOUT');
  live.say('result', { commandId: message.payload.commandId });
  live.say('result', { commandId: crypto.randomUUID() });
  const next = live.connection.run(COMMAND, { deadlineMs: 60_000 });
  const second = await live.hear();
  assert(second.type === 'command');
  live.say('result', { commandId: second.payload.commandId });
  await next;
});

test('an agent that is lost fails all that it was asked', async () => {
  await using live = await openLive();
  const running = [1, 2, 3].map(() => failureOf(live.connection.run(COMMAND, { deadlineMs: 60_000 })));

  live.pair.dialled.terminate();

  assert.deepEqual(await Promise.all(running), ['AGENT_OFFLINE', 'AGENT_OFFLINE', 'AGENT_OFFLINE']);
  assert.equal(await failureOf(live.connection.run(COMMAND, { deadlineMs: 1 })), 'AGENT_OFFLINE');
});

test('an agent that answers nothing is not asked without end', async () => {
  await using live = await openLive();
  const running = Array.from({ length: 257 }, () => failureOf(live.connection.run(COMMAND, { deadlineMs: 60_000 })));

  const last = await running.at(-1);
  live.pair.dialled.terminate();

  assert.equal(last, 'TOO_MANY_REQUESTS');
  assert.equal(new Set(await Promise.all(running)).size, 2);
});

test('an agent that reports faster than the store takes it is cut off', async () => {
  const { promise: stored, resolve: store } = Promise.withResolvers<void>();
  await using live = await openLive({ sessionReported: () => stored });

  for (let count = 0; count < 5000; count += 1) live.say('session.updated', { sessionId: 's-1', state: 'running' });
  const [, reason] = await once(live.pair.dialled, 'close');

  assert.equal(String(reason), 'TOO_MANY_MESSAGES');
  store();
  await live.connection.drained();
});
