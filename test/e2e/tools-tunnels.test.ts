// Tools over a real gateway and agent, with desktops that are up to no good.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { pino } from 'pino';
import { test } from 'vitest';
import { z } from 'zod';
import { ControlPlane } from '../harness/control-plane.ts';
import { HandRuntime, type HandSession } from '../harness/hand-runtime.ts';
import { until } from '../harness/house.ts';
import { listenOnAnyPort } from '../harness/ports.ts';
import { Agent } from '../../src/agent/agent.ts';

const WINDOW = { id: '1', title: 't', class: 'c', pid: null, x: 0, y: 0, width: 1, height: 1, isActive: true };

test('a session whose image brings no tools, or whose desktop is older than they are, says so', async () => {
  await using house = await openHouse();

  const without = await house.ask('windows');
  house.session.tools = { path: '/nowhere/tools.sock' };
  const older = await house.ask('windows');

  assert.deepEqual([without.status, without.body.code], [409, 'TOOLS_NOT_AVAILABLE']);
  assert.match(without.body.detail ?? '', /its image brings none/);
  assert.deepEqual([older.status, older.body.code], [409, 'TOOLS_NOT_AVAILABLE']);
});

test('a desktop that is reached by TCP is shown the secret, and nobody else is told of it', async () => {
  await using house = await openHouse();
  const seen: (string | undefined)[] = [];
  await using desktop = await openDesktop((request, response) => {
    seen.push(request.headers.authorization);
    response.end(JSON.stringify({ windows: [WINDOW] }));
  });
  house.session.tools = { host: '127.0.0.1', port: desktop.port, secret: 'of-the-desktop' };

  const answer = await house.ask('windows');

  assert.deepEqual(answer.body, { windows: [WINDOW] });
  assert.deepEqual(seen, ['Bearer of-the-desktop']);
});

test.each<[string, RequestListener, number, string]>([
  ['no JSON', (_request, response) => response.end('<html>'), 502, 'TOOLS_FAILED'],
  ['another shape', (_request, response) => response.end('{"windows":[{"id":"x"}]}'), 502, 'TOOLS_FAILED'],
  [
    'half an answer',
    (_request, response) => response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
    502,
    'TOOLS_FAILED',
  ],
  ['no answer', (request) => request.socket.destroy(), 502, 'TOOLS_FAILED'],
  [
    'no code of ours',
    (_request, response) => response.writeHead(400).end('{"code":"X","message":"x"}'),
    502,
    'TOOLS_FAILED',
  ],
  [
    'a redirection',
    (_request, response) => response.writeHead(302, { location: 'http://x/' }).end(),
    502,
    'TOOLS_FAILED',
  ],
  ['an endless answer', (_request, response) => endless(response), 502, 'TOOLS_FAILED'],
  [
    'a failure of ours',
    (_request, response) => response.writeHead(404).end('{"code":"NOT_FOUND","message":"no window 7"}'),
    404,
    'NOT_FOUND',
  ],
])('a desktop that gives %s is told as what it is', async (_what, listener, status, code) => {
  await using house = await openHouse();
  await using desktop = await openDesktop(listener);
  house.session.tools = { host: '127.0.0.1', port: desktop.port, secret: 'x' };

  const answer = await house.ask('windows');

  assert.deepEqual([answer.status, answer.body.code], [status, code]);
});

test('calls that a desktop never answers end when the session is paused, and more than eight of one access are refused', async () => {
  await using house = await openHouse();
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  let [calls, ended] = [0, 0];
  await using desktop = await openDesktop((_request, response) => {
    calls += 1;
    if (calls === 8) arrived.resolve();
    response.once('close', () => {
      ended += 1;
      if (ended === 8) left.resolve();
    });
  });
  house.session.tools = { host: '127.0.0.1', port: desktop.port, secret: 'x' };

  const waiting = Promise.all(Array.from({ length: 8 }, () => house.ask('windows')));
  await arrived.promise;
  const ninth = await house.ask('windows');
  await house.plane.call('POST', `/api/v1/sessions/${house.sessionId}/pause?wait=ready`);
  await left.promise;

  assert.deepEqual([ninth.status, ninth.body.code], [429, 'TOO_MANY_REQUESTS']);
  assert.deepEqual(new Set((await waiting).map(({ body }) => body.code)), new Set(['SESSION_NOT_RUNNING']));
});

interface House extends AsyncDisposable {
  plane: ControlPlane;
  sessionId: string;
  session: HandSession;
  ask(path: string): Promise<{ status: number; body: Record<string, string> }>;
}

/** A gateway, a real agent, and one session that runs. */
async function openHouse(): Promise<House> {
  await using opening = new AsyncDisposableStack();
  const plane = opening.use(await ControlPlane.start());
  const runtime = new HandRuntime();
  const agent = await Agent.start(runtime, {
    agentId: 'host-1',
    agentKey: await plane.enroll('host-1'),
    gatewayUrl: plane.gateway.url,
    version: '0',
    maxSessions: 1,
    streamer: 'embedded',
    reach: { addresses: [] },
    log: pino({ level: 'silent' }),
  });
  opening.use(agent);
  await agent.connected;
  const { body } = await plane.call('POST', '/api/v1/sessions', { body: {} });
  const sessionId = z.string().parse(body.id);
  await runtime.untilStarted(sessionId);
  const session = runtime.ready(sessionId);
  await until(
    'the session runs',
    async () => (await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body.state,
    (state) => state === 'running',
  );
  const { token } = await plane.grant(sessionId, 'controller');
  const owned = opening.move();
  return {
    plane,
    sessionId,
    session,
    ask: async (path) => await plane.call('GET', `/api/v1/sessions/${sessionId}/${path}`, { token }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A desktop's tools, as they should never be. */
async function openDesktop(listener: RequestListener): Promise<AsyncDisposable & { port: number }> {
  const server = createServer(listener);
  const port = await listenOnAnyPort(server);
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function endless(response: ServerResponse): void {
  const chunk = Buffer.alloc(65_536, ' ');
  const write = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', write);
  };
  write();
}
