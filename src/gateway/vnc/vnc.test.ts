import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, assert, beforeEach, describe, test } from 'vitest';
import type { ClientOptions, WebSocket } from 'ws';
import { ControlPlane, type Refusal } from '../../../test/harness/control-plane.ts';
import { ByteReader } from '../../../test/harness/rfb-client.ts';
import type { ScriptedAgent } from '../../../test/harness/scripted-agent.ts';
import { closeOf, type Closed } from '../../../test/harness/socket-pair.ts';
import type { Role } from '../../protocol/session.ts';
import type { GatewayOptions } from '../gateway.ts';
import { encodeEncodings } from '../../rfb/client-messages.ts';

const VERSION = Buffer.from('RFB 003.008\n');
/** What the client hears until it has said its ClientInit. */
const GREETING = Buffer.concat([VERSION, Buffer.from([1, 1, 0, 0, 0, 0])]);
const KEY = Buffer.from('0401000000000061', 'hex');
const REQUEST = Buffer.from('03000000000000640064', 'hex');
const PATIENCE_MS = 300;

let plane: ControlPlane;
let agent: ScriptedAgent;
let sessionId: string;

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  plane = await ControlPlane.start({ vncPatienceMs: PATIENCE_MS, ...options });
  agent = await plane.connectAgent();
  sessionId = await plane.startSession();
}
async function stop(): Promise<void> {
  await agent[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
}
beforeEach(() => start());
afterEach(stop);

interface End {
  socket: WebSocket;
  reader: ByteReader;
  closed: Promise<Closed>;
}

function endOf(socket: WebSocket): End {
  return { socket, reader: new ByteReader(socket), closed: closeOf(socket) };
}

async function dial(token: string, options?: ClientOptions): Promise<WebSocket | Refusal> {
  const client = await plane.dialPath(`/s/${sessionId}/vnc`, ['binary', `access.${token}`], options);
  return 'socket' in client ? client.socket : client;
}

async function dialBack(ticket: string): Promise<End> {
  let tunnel: End | undefined;
  await agent.dial(ticket, agent.agentKey, (socket) => (tunnel = endOf(socket)));
  assert(tunnel?.socket.readyState === 1);
  return tunnel;
}

/** A client that has joined, and the agent's end of its tunnel, before either has said a word. */
async function openSilent(role: Role = 'controller', access?: { id: string; token: string }) {
  const { id, token } = access ?? (await plane.grant(sessionId, role));
  const socket = await dial(token);
  assert('readyState' in socket);
  const client = endOf(socket);
  const request = await agent.nextVncRequest();
  agent.send('vnc_ready', { tunnelId: request.tunnelId, sessionId });
  return { client, tunnel: await dialBack(request.ticket), accessId: id, request };
}

/** The same, with the handshake behind them. */
async function openJoined(role: Role = 'controller', access?: { id: string; token: string }) {
  const joined = await openSilent(role, access);
  joined.client.socket.send(Buffer.concat([VERSION, Buffer.from([1, 0])]));
  assert.deepEqual(Buffer.from(await joined.client.reader.read(GREETING.length)), GREETING);
  return joined;
}

async function stopReading({ socket }: End): Promise<void> {
  socket.pause();
}

async function auditOf(action: string): Promise<{ detail: Record<string, unknown>; outcome: string | null }[]> {
  const { body } = await plane.call('GET', '/api/v1/audit');
  return body.audit.filter((row: { action: string }) => row.action === action);
}

async function metric(name: string): Promise<number> {
  const { body } = await plane.call('GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(String(body))?.[1] ?? 0);
}

describe('a VNC client that joins', () => {
  test('is greeted, and has the desktop byte by byte as it is', async () => {
    const { client, tunnel } = await openJoined();
    assert.equal(client.socket.protocol, 'binary');
    const picture = randomBytes(3_000_000);
    const sent = Buffer.concat([REQUEST, KEY, REQUEST]);

    for (let at = 0; at < picture.length; at += 50_000) tunnel.socket.send(picture.subarray(at, at + 50_000));
    for (const byte of sent) client.socket.send(Uint8Array.of(byte));

    assert.ok(picture.equals(await client.reader.read(picture.length)));
    assert.ok(sent.equals(await tunnel.reader.read(sent.length)));
  });

  test('may say all of it at once, before its tunnel is there', async () => {
    const { token } = await plane.grant(sessionId, 'owner');
    const socket = await dial(token);
    assert('readyState' in socket);
    const reader = new ByteReader(socket);
    socket.send(Buffer.concat([VERSION, Buffer.from([1, 1]), REQUEST, KEY.subarray(0, 3)]));
    socket.send(KEY.subarray(3));

    const tunnel = await dialBack((await agent.nextVncRequest()).ticket);
    tunnel.socket.send('server init', { binary: true });

    assert.deepEqual(Buffer.from(await tunnel.reader.read(18)), Buffer.concat([REQUEST, KEY]));
    assert.deepEqual(Buffer.from(await reader.read(29)), Buffer.concat([GREETING, Buffer.from('server init')]));
  });

  test('sends what its role may, and no more', async () => {
    const resize = Buffer.from('fb0003200258010000000001000000000320025800000000', 'hex');
    const all = Buffer.concat([encodeEncodings([0, 7]), KEY, resize, REQUEST]);
    const expected = {
      viewer: Buffer.concat([encodeEncodings([0, 7]), REQUEST]),
      controller: Buffer.concat([encodeEncodings([0, 7]), KEY, REQUEST]),
      owner: all,
    };
    for (const role of ['viewer', 'controller', 'owner'] as const) {
      const { client, tunnel } = await openJoined(role);
      client.socket.send(all);
      assert.deepEqual(Buffer.from(await tunnel.reader.read(expected[role].length)), expected[role]);
      client.socket.close(1000);
      assert.deepEqual(await tunnel.closed, { code: 1000, reason: 'CLIENT_LEFT' });
      assert.equal(tunnel.reader.left, 0, role);
    }
  });

  test('may show its token as a header or in the query, and need not offer a subprotocol', async () => {
    const { token } = await plane.grant(sessionId);
    const byHeader = await plane.dialPath(`/s/${sessionId}/vnc`, [], { headers: { authorization: `Bearer ${token}` } });
    const byQuery = await plane.dialPath(`/s/${sessionId}/vnc?token=${token}`, []);

    for (const client of [byHeader, byQuery]) {
      assert('socket' in client);
      assert.equal(client.socket.protocol, '');
      client.socket.terminate();
    }
  });

  test('is counted, audited and listed, and its bytes are', async () => {
    const { client, tunnel, accessId } = await openJoined('viewer');
    client.socket.send(Buffer.concat([REQUEST, KEY]));
    await tunnel.reader.read(REQUEST.length);
    tunnel.socket.send(Buffer.alloc(1000));
    await client.reader.read(1000);

    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`);
    assert.equal(body.logins.length, 1);
    assert.deepInclude(body.logins[0], { accessId, client: 'vnc', role: 'viewer', state: 'live' });
    assert.equal(await metric('nekogate_vnc_clients'), 1);
    assert.equal(await metric('nekogate_vnc_bytes_total\\{direction="to_client"\\}'), 1000);
    assert.equal(await metric('nekogate_vnc_bytes_total\\{direction="to_desktop"\\}'), 10);
    assert.equal(await metric('nekogate_vnc_joins_total\\{outcome="ok"\\}'), 1);
    client.socket.close(1000);
    await tunnel.closed;

    const [opened] = await auditOf('vnc.opened');
    const [closed] = await auditOf('vnc.closed');
    assert.deepInclude(opened?.detail, { role: 'viewer', label: 'ann' });
    assert.deepInclude(closed?.detail, { code: 'CLIENT_LEFT', by: 'client', toClient: 1000, toDesktop: 10 });
    assert.equal(await metric('nekogate_vnc_clients'), 0);
  });
});

describe('a VNC client is refused', () => {
  test('without a token that is good for this session', async () => {
    const other = await plane.startSession();
    const { token: foreign } = await plane.grant(other);
    const revoked = await plane.grant(sessionId);
    await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${revoked.id}`);

    assert.deepEqual(await dial('f'.repeat(64)), { status: 401, code: 'UNAUTHENTICATED' });
    assert.deepEqual(await dial(foreign), { status: 403, code: 'FORBIDDEN' });
    assert.deepEqual(await dial(revoked.token), { status: 403, code: 'ACCESS_REVOKED' });
    assert.deepEqual(await plane.dialPath(`/s/${sessionId}/vnc`, ['binary']), { status: 401, code: 'UNAUTHENTICATED' });
    assert.include(await plane.dialPath(`/s/${sessionId}/vnc`, [`access.${revoked.token}`]), { code: 'BAD_REQUEST' });
  });

  test('from a page of elsewhere, and before anything was asked of the agent', async () => {
    const { token } = await plane.grant(sessionId);

    assert.include(await dial(token, { origin: 'https://elsewhere.example' }), { code: 'ORIGIN_REFUSED' });
    assert.equal(await metric('nekogate_vnc_joins_total\\{outcome="ORIGIN_REFUSED"\\}'), 1);
    assert.equal(await metric('nekogate_vnc_clients'), 0);
  });

  test('with its code where the session has no VNC server', async () => {
    const { token } = await plane.grant(sessionId);
    const socket = await dial(token);
    assert('readyState' in socket);
    const closed = closeOf(socket);
    const { tunnelId, ticket } = await agent.nextVncRequest();

    agent.send('vnc_closed', { tunnelId, sessionId, reason: { code: 'VNC_NOT_AVAILABLE', message: 'none there' } });

    assert.deepEqual(await closed, { code: 4409, reason: 'VNC_NOT_AVAILABLE' });
    assert.equal(await agent.dial(ticket), 403);
    const [failed] = await auditOf('vnc.failed');
    assert.equal(failed?.outcome, 'VNC_NOT_AVAILABLE');
  });
});

test('a ticket opens one VNC tunnel, once', async () => {
  const { client, tunnel, request } = await openJoined();

  assert.equal(await agent.dial(request.ticket), 403);
  assert.equal(await agent.dial('0'.repeat(64)), 403);

  tunnel.socket.send('still there', { binary: true });
  assert.equal(Buffer.from(await client.reader.read(11)).toString(), 'still there');
});

test('a client that leaves before its tunnel came: the agent is spared it', async () => {
  const { token } = await plane.grant(sessionId);
  const socket = await dial(token);
  assert('readyState' in socket);
  const request = await agent.nextVncRequest();
  const abandoned = once(agent, 'abandoned');

  socket.terminate();
  await abandoned;

  assert.equal(agent.abandoned[0]?.tunnelId, request.tunnelId);
  assert.equal(await agent.dial(request.ticket), 403);
});

describe('what ends a VNC client is what it is told', () => {
  test.each([
    ['its access is revoked', '4403 ACCESS_REVOKED'],
    ['it is kicked', '4410 KICKED'],
    ['the session is stopped', '4411 SESSION_ENDED'],
    ['the gateway shuts down', '4503 SHUTTING_DOWN'],
    ["the agent's tunnel breaks", '4503 AGENT_OFFLINE'],
    ['the agent names a reason', '4502 VNC_FAILED'],
  ])('%s', async (what, expected) => {
    const { client, tunnel, accessId } = await openJoined();
    const path = `/api/v1/sessions/${sessionId}`;
    const [login] = (await plane.call('GET', `${path}/logins`)).body.logins;

    switch (what) {
      case 'its access is revoked':
        await plane.call('DELETE', `${path}/access/${accessId}`);
        break;
      case 'it is kicked':
        await plane.call('DELETE', `${path}/logins/${login.loginId}`);
        break;
      case 'the session is stopped':
        await plane.call('DELETE', path);
        break;
      case 'the gateway shuts down':
        await plane.gateway.stop();
        break;
      case 'the agent names a reason':
        tunnel.socket.close(4502, 'VNC_FAILED');
        break;
      default:
        tunnel.socket.terminate();
    }

    const { code, reason } = await client.closed;
    assert.equal(`${code} ${reason}`, expected);
    if (!what.startsWith('the agent')) {
      const end = await tunnel.closed;
      assert.equal(`${end.code} ${end.reason}`, expected);
    }
  });

  test('its access expires', async () => {
    const { client } = await openJoined('viewer', await plane.grant(sessionId, 'viewer', 1));

    assert.deepEqual(await client.closed, { code: 4401, reason: 'ACCESS_EXPIRED' });
  });

  test("the VNC server's end comes after all that it sent, however slow the client is", async () => {
    const { client, tunnel } = await openJoined();
    const last = randomBytes(16_000_000);
    await stopReading(client);

    for (let at = 0; at < last.length; at += 50_000) tunnel.socket.send(last.subarray(at, at + 50_000));
    tunnel.socket.send(Buffer.alloc(0));
    client.socket.resume();

    assert.ok(last.equals(await client.reader.read(last.length)));
    assert.deepEqual(await client.closed, { code: 4502, reason: 'VNC_LOST' });
    assert.deepEqual(await tunnel.closed, { code: 4502, reason: 'VNC_LOST' });
  });
});

describe('a client that is wrong is closed with a code, and nobody else is hurt', () => {
  const half = KEY.subarray(0, 5);
  test.each([
    ['says something else than RFB', [Buffer.from('GET / HTTP/1.1\r\nHost: x')], '4400 BAD_FRAME', false],
    ['says nothing', [], '4408 CLIENT_SILENT', false],
    ['says half a greeting', [VERSION.subarray(0, 7)], '4408 CLIENT_SILENT', false],
    ['asks for a security that was not offered', [VERSION, Buffer.from([16])], '4400 BAD_FRAME', false],
    ['sends half a message', [half], '4408 CLIENT_SILENT', true],
    ['sends a message of unknown length', [REQUEST, Buffer.from([77, 1, 2])], '4400 BAD_FRAME', true],
    ['sends too large a clipboard', [Buffer.from('0600000000200000', 'hex')], '1009 MESSAGE_TOO_BIG', true],
    ['sends text', ['hello'], '4400 BAD_FRAME', true],
  ] as const)('one that %s', async (_what, frames, expected, isGreeted) => {
    const bystander = await openJoined('viewer');
    const { client, tunnel } = await (isGreeted ? openJoined() : openSilent());

    for (const frame of frames) client.socket.send(frame);

    for (const { code, reason } of [await client.closed, await tunnel.closed])
      assert.equal(`${code} ${reason}`, expected);
    bystander.tunnel.socket.send('still there', { binary: true });
    assert.equal(Buffer.from(await bystander.client.reader.read(11)).toString(), 'still there');
    assert.equal((await auditOf('vnc.closed')).length, 1);
  });

  test('one whose frame is too long', async () => {
    const { client, tunnel } = await openJoined();

    client.socket.send(Buffer.alloc(128 * 1024 + 1));

    assert.equal((await client.closed).code, 1009);
    assert.equal((await tunnel.closed).reason, 'CLIENT_LOST');
  });

  test('one that is silent between its messages stays', async () => {
    const { client, tunnel } = await openJoined();
    client.socket.send(KEY);
    await tunnel.reader.read(KEY.length);

    // A whole greeting of another client that says nothing takes longer than it may stay silent within a message.
    const other = await openSilent();
    await other.client.closed;

    client.socket.send(KEY);
    assert.deepEqual(Buffer.from(await tunnel.reader.read(KEY.length)), KEY);
  });
});

test('a client that reads slowly holds its own desktop back, loses nothing, and costs others nothing', async () => {
  const slow = await openJoined('viewer');
  const quick = await openJoined('viewer');
  const bulk = randomBytes(16_000_000);
  await stopReading(slow.client);

  for (let at = 0; at < bulk.length; at += 64_000) slow.tunnel.socket.send(bulk.subarray(at, at + 64_000));
  for (let at = 0; at < bulk.length; at += 64_000) quick.tunnel.socket.send(bulk.subarray(at, at + 64_000));

  assert.ok(bulk.equals(await quick.client.reader.read(bulk.length)));
  assert.isAbove(slow.tunnel.socket.bufferedAmount, 1_000_000, 'the rest waits where it came from');
  slow.client.socket.resume();
  assert.ok(bulk.equals(await slow.client.reader.read(bulk.length)));
});

test('a client that takes nothing any more is given up, and so is a desktop', async () => {
  await stop();
  await start({ vncStallMs: 100 });
  const slow = await openJoined('viewer');
  const stuck = await openJoined('controller');
  const clipboard = Buffer.concat([Buffer.from('06000000000fa000', 'hex'), randomBytes(0xfa000)]);
  await stopReading(slow.client);
  await stopReading(stuck.tunnel);

  for (let sent = 0; sent < 400; sent += 1) slow.tunnel.socket.send(randomBytes(64_000));
  for (let round = 0; round < 24; round += 1)
    for (let at = 0; at < clipboard.length; at += 64_000) stuck.client.socket.send(clipboard.subarray(at, at + 64_000));

  assert.deepEqual(await slow.tunnel.closed, { code: 4408, reason: 'CLIENT_SLOW' });
  assert.deepEqual(await stuck.client.closed, { code: 4502, reason: 'VNC_LOST' });
});

test('a desktop that reads slowly holds its client back, and nothing is lost', async () => {
  const { client, tunnel } = await openJoined('controller');
  const clipboard = Buffer.concat([Buffer.from('06000000000fa000', 'hex'), randomBytes(0xfa000)]);
  await stopReading(tunnel);

  for (let round = 0; round < 16; round += 1)
    for (let at = 0; at < clipboard.length; at += 64_000) client.socket.send(clipboard.subarray(at, at + 64_000));
  const other = await openSilent();
  await other.client.closed;

  assert.isAbove(client.socket.bufferedAmount, 1_000_000);
  tunnel.socket.resume();
  for (let round = 0; round < 16; round += 1)
    assert.ok(clipboard.equals(await tunnel.reader.read(clipboard.length)), `round ${round}`);
});

test('after many joins and leaves, kind and rude ones, nothing is left', async () => {
  const access = await plane.grant(sessionId, 'viewer');
  for (let round = 0; round < 40; round += 1) {
    const { client, tunnel } = await (round % 3 === 0 ? openSilent : openJoined)('viewer', access);
    if (round % 2 === 0) client.socket.terminate();
    else client.socket.close(1000);
    await tunnel.closed;
  }

  assert.equal(await metric('nekogate_vnc_clients'), 0);
  assert.equal((await auditOf('vnc.closed')).length, 40);
});
