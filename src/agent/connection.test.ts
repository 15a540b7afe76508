import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { pino } from 'pino';
import { test } from 'vitest';
import { WebSocket } from 'ws';
import { closeOf, listen, nextMessage, type SocketServer } from '../../test/harness/socket-pair.ts';
import { encodeFromGateway, PROTOCOL_VERSION } from '../protocol/control.ts';
import { ControlConnection, type ConnectionOptions } from './connection.ts';

const IDLE = { 'tunnel.open': () => undefined, initialize_vnc_tunnel: () => undefined, vnc_closed: () => undefined };

function connectTo(url: string, more: Partial<ConnectionOptions> = {}) {
  const connection = new ControlConnection({
    url,
    agentKey: 'a'.repeat(64),
    log: pino({ level: 'silent' }),
    hello: () => ({
      protocol: PROTOCOL_VERSION,
      agentId: 'host-1',
      instanceId: randomUUID(),
      version: '0',
      hostname: 'host',
      capabilities: { runtimes: ['process'], streamer: 'embedded', maxSessions: 1 },
      sessions: [],
      logins: [],
    }),
    heartbeat: () => ({ sessions: 0, load: 0, freeMemory: 0, vncTunnels: 0 }),
    handlers: { command: () => undefined, ...IDLE },
    onWelcome: () => undefined,
    ...more,
  });
  return { connection, [Symbol.asyncDispose]: () => connection.stop() };
}

async function accept(server: SocketServer): Promise<{ socket: WebSocket; hello: unknown; key: string | undefined }> {
  const [socket, request]: unknown[] = await once(server.sockets, 'connection');
  assert.ok(socket instanceof WebSocket);
  const headers = request !== null && typeof request === 'object' && 'headers' in request ? request.headers : undefined;
  const key =
    headers !== null && typeof headers === 'object' && headers !== undefined && 'x-agent-api-key' in headers
      ? String(headers['x-agent-api-key'])
      : undefined;
  return { socket, hello: await nextMessage(socket), key };
}

test('an agent shows its key before the upgrade, says hello, and beats at the pace that it is told', async () => {
  await using server = await listen();
  await using _agent = connectTo(server.url);
  const { socket, hello, key } = await accept(server);

  socket.send(encodeFromGateway('welcome', { protocol: PROTOCOL_VERSION, tcpMedia: [], heartbeatMs: 100 }));

  assert.equal(key, 'a'.repeat(64));
  assert.partialDeepStrictEqual(hello, { type: 'hello', payload: { agentId: 'host-1' } });
  assert.partialDeepStrictEqual(await nextMessage(socket), { type: 'heartbeat' });
});

test('an agent that loses its gateway comes back by itself', async () => {
  await using server = await listen();
  await using _agent = connectTo(server.url);
  const first = await accept(server);

  first.socket.terminate();

  assert.partialDeepStrictEqual((await accept(server)).hello, { type: 'hello' });
});

test('nothing is done for a peer that has not said welcome', async () => {
  await using server = await listen();
  let commands = 0;
  await using _agent = connectTo(server.url, {
    handlers: { ...IDLE, command: () => (commands += 1) },
  });
  const { socket } = await accept(server);
  const closed = closeOf(socket);

  socket.send(
    encodeFromGateway('command', {
      commandId: randomUUID(),
      deadline: new Date().toISOString(),
      command: { action: 'stop_session', sessionId: 's-1' },
    }),
  );

  assert.deepEqual(await closed, { code: 4400, reason: 'BAD_FRAME' });
  assert.equal(commands, 0);
});

test('a message of a newer gateway is passed over', async () => {
  await using server = await listen();
  await using _agent = connectTo(server.url);
  const { socket } = await accept(server);
  socket.send(JSON.stringify({ id: '1', type: 'drain', timestamp: new Date().toISOString(), payload: {} }));

  socket.send(encodeFromGateway('welcome', { protocol: PROTOCOL_VERSION, tcpMedia: [], heartbeatMs: 100 }));

  assert.partialDeepStrictEqual(await nextMessage(socket), { type: 'heartbeat' });
});

test('what is sent while the gateway is away is dropped without harm', async () => {
  await using server = await listen();
  await using agent = connectTo(server.url);

  agent.connection.send('heartbeat', { sessions: 0, load: 0, freeMemory: 0, vncTunnels: 0 });

  assert.partialDeepStrictEqual((await accept(server)).hello, { type: 'hello' });
});
