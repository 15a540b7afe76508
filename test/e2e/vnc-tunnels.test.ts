import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { test } from 'vitest';
import { WebSocket } from 'ws';
import { Agent } from '../../src/agent/agent.ts';
import { ControlPlane } from '../harness/control-plane.ts';
import { HandRuntime } from '../harness/hand-runtime.ts';
import { until } from '../harness/house.ts';
import { listenOnAnyPort } from '../harness/ports.ts';
import { ByteReader } from '../harness/rfb-client.ts';
import { webSocketUrl } from '../harness/scripted-agent.ts';

const SESSIONS = 4;
const CLIENTS_PER_SESSION = 50;
/** As many as one access may have at once are 16. */
const CLIENTS_PER_ACCESS = 10;
const SLOW_EVERY = 10;
const PASTES = 8;
const PASTE_BYTES = 60_000;

const VERSION = Buffer.from('RFB 003.008\n');
const GREETING = Buffer.concat([VERSION, Buffer.from([1, 1, 0, 0, 0, 0])]);
const LOGIN_BYTES = VERSION.length + 2;

/** A VNC server that sends back all that it is sent. */
async function openEchoServer(): Promise<AsyncDisposable & { port: number; open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).once('close', () => open.delete(socket));
    socket.write(GREETING);
    let login = LOGIN_BYTES;
    socket.on('data', (chunk: Buffer) => {
      const said = chunk.subarray(login);
      login -= Math.min(login, chunk.length);
      if (said.length > 0 && !socket.write(said)) {
        socket.pause();
        socket.once('drain', () => socket.resume());
      }
    });
  });
  const port = await listenOnAnyPort(server);
  return {
    port,
    open,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What this process has open. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => name !== 'Immediate').length;
}

test('two hundred VNC streams at once, slow ones among them, each bring every byte, and leave nothing behind', async () => {
  await using server = await openEchoServer();
  await using plane = await ControlPlane.start();
  const runtime = new HandRuntime();
  await using agent = await Agent.start(runtime, {
    agentId: 'host-1',
    agentKey: await plane.enroll('host-1'),
    gatewayUrl: plane.gateway.url,
    version: '0',
    maxSessions: SESSIONS,
    streamer: 'embedded',
    reach: { addresses: [] },
    log: pino({ level: 'silent' }),
  });
  await agent.connected;
  const tokens: { sessionId: string; token: string }[] = [];
  for (let index = 0; index < SESSIONS; index += 1) {
    const { body } = await plane.call('POST', '/api/v1/sessions', { body: {} });
    const sessionId = String(body.id);
    await until(
      'the session starts',
      async () => runtime.isStarting(sessionId),
      (isStarting) => isStarting,
    );
    runtime.ready(sessionId).vnc = { at: { host: '127.0.0.1', port: server.port } };
    for (let access = 0; access < CLIENTS_PER_SESSION / CLIENTS_PER_ACCESS; access += 1)
      tokens.push({ sessionId, token: (await plane.grant(sessionId, 'owner')).token });
  }
  await until(
    'all sessions run',
    async () =>
      (await plane.call('GET', '/api/v1/sessions')).body.sessions.map(({ state }: { state: string }) => state),
    (states) => states.every((state: string) => state === 'running'),
  );
  const before = handles();

  const slowMayRead = Promise.withResolvers<void>();
  const stream = async (index: number): Promise<string> => {
    const grant = tokens[Math.floor(index / CLIENTS_PER_ACCESS)];
    assert(grant);
    const socket = new WebSocket(`${webSocketUrl(plane.gateway.url)}/s/${grant.sessionId}/vnc`, [
      'binary',
      `access.${grant.token}`,
    ]);
    const reader = new ByteReader(socket);
    await once(socket, 'open');
    socket.send(Buffer.concat([VERSION, Buffer.from([1, 1])]));
    await reader.read(GREETING.length);
    const isSlow = index % SLOW_EVERY === 0;
    if (isSlow) socket.pause();
    const sent = createHash('sha256');
    for (let paste = 0; paste < PASTES; paste += 1) {
      const message = randomBytes(8 + PASTE_BYTES);
      message.writeUInt8(6, 0);
      message.writeInt32BE(PASTE_BYTES, 4);
      sent.update(message);
      socket.send(message);
    }
    if (isSlow) await slowMayRead.promise;
    socket.resume();
    const echoed = await reader.read(PASTES * (8 + PASTE_BYTES));
    const wanted = sent.digest('hex');
    const found = createHash('sha256').update(echoed).digest('hex');
    if (index % 2 === 0) socket.terminate();
    else socket.close(1000);
    return found === wanted ? 'whole' : `stream ${index} is broken`;
  };
  const indexes = Array.from({ length: SESSIONS * CLIENTS_PER_SESSION }, (_, index) => index);
  const quick = Promise.all(indexes.filter((index) => index % SLOW_EVERY !== 0).map(stream));
  const slow = Promise.all(indexes.filter((index) => index % SLOW_EVERY === 0).map(stream));
  const found = new Set(await quick);
  slowMayRead.resolve();
  for (const each of await slow) found.add(each);

  assert.deepEqual([...found], ['whole']);
  await until(
    'the VNC server has nobody left',
    async () => server.open.size,
    (count) => count === 0,
  );
  await until(
    'nothing of them is left',
    async () => handles(),
    (count) => count <= before,
  );
  assert.match(String((await plane.call('GET', '/metrics')).body), /^nekogate_vnc_clients 0$/m);
});
