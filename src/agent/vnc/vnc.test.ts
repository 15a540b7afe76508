import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { pino } from 'pino';
import { assert, describe, test } from 'vitest';
import { listenOnAnyPort } from '../../../test/harness/ports.ts';
import { ByteReader } from '../../../test/harness/rfb-client.ts';
import { closeOf, openSocketPair, type SocketPair } from '../../../test/harness/socket-pair.ts';
import { Xvnc } from '../../../test/harness/xvnc.ts';
import { GatewayError } from '../../errors.ts';
import type { AgentPayloads } from '../../protocol/control.ts';
import { clientSocket } from '../../signaling/relay.ts';
import { enterVncServer, type VncAddress } from './server.ts';
import { VncTunnels } from './tunnels.ts';

const never = new AbortController().signal;
const END = new GatewayError('SHUTTING_DOWN', 'the agent is shutting down');
/** What a VNC client says to get in, and what it hears until then. */
const LOGIN = Buffer.concat([Buffer.from('RFB 003.008\n'), Buffer.from([1, 1])]);
const GREETING = Buffer.concat([Buffer.from('RFB 003.008\n'), Buffer.from([1, 1, 0, 0, 0, 0])]);

interface FakeServer extends AsyncDisposable {
  address: VncAddress;
  /** The next connection. */
  accepted(): Promise<Socket>;
}

/** A server that says `greeting` to whoever comes, at once, and leaves the rest to the test. */
async function openServer(greeting: Uint8Array = GREETING): Promise<FakeServer> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    all.push(socket);
    socket.on('error', () => undefined);
    socket.write(greeting);
  });
  const sockets: Socket[] = [];
  const all: Socket[] = [];
  const port = await listenOnAnyPort(server);
  return {
    address: { at: { host: '127.0.0.1', port } },
    async accepted() {
      while (sockets.length === 0) await once(server, 'connection');
      const socket = sockets.shift();
      assert(socket);
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function readFrom(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sum = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    sum += chunk.length;
    if (sum >= length) break;
  }
  return Buffer.concat(chunks);
}

/** Tunnels of one agent; `join` opens one to the fake server, and resolves with all its ends. */
function openTunnels(address: VncAddress | undefined, options: { stallMs?: number } = {}) {
  const said: { type: string; payload: unknown }[] = [];
  const tunnels = new VncTunnels({
    serverOf: () => address,
    send: <T extends keyof AgentPayloads>(type: T, payload: AgentPayloads[T]) => void said.push({ type, payload }),
    log: pino({ level: 'silent' }),
    ...options,
  });
  const open = (pair: SocketPair, sessionId = 's-1'): Promise<void> => {
    pair.dialled.pause();
    const request = { tunnelId: crypto.randomUUID(), ticket: '', sessionId };
    return tunnels.open(request, async () => clientSocket(pair.dialled));
  };
  const join = async (server: FakeServer, sessionId?: string) => {
    const pair = await openSocketPair();
    const [socket] = await Promise.all([server.accepted(), open(pair, sessionId)]);
    assert.deepEqual(await readFrom(socket, LOGIN.length), LOGIN);
    const viewer = pair.accepted;
    return { socket, viewer, reader: new ByteReader(viewer), closed: closeOf(viewer) };
  };
  return { tunnels, said, open, join };
}

describe('the VNC server of a session', () => {
  test('is entered with its password alone', async () => {
    await using xvnc = await Xvnc.start({ password: 'tellnobody' });
    const at = { path: xvnc.rfbSocket };

    const socket = await enterVncServer({ at, password: 'tellnobody' }, never);
    const init = await readFrom(socket, 24);
    socket.destroy();

    assert.deepEqual([init.readUInt16BE(0), init.readUInt16BE(2)], [1280, 720]);
    for (const address of [{ at, password: 'else' }, { at }]) {
      const failure = await enterVncServer(address, never).catch((error: unknown) => error);
      assert.include(failure, { code: 'VNC_FAILED' });
      assert.notInclude(String(failure), 'tellnobody');
    }
  });

  test('may be none: what answers there is told as no VNC server', async () => {
    for (const greeting of ['SSH-2.0-OpenSSH_9.2p1\r\n', 'HTTP/1.1 400 Bad Request\r\n\r\n', '\0'.repeat(64)]) {
      await using server = await openServer(Buffer.from(greeting));
      const failure = await enterVncServer(server.address, never).catch((error: unknown) => error);
      assert.include(failure, { code: 'VNC_FAILED' });
    }
  });

  test('may hang up, be gone, or be given up', async () => {
    await using server = await openServer(GREETING.subarray(0, 13));
    const gone = { at: { path: '/nowhere/rfb.sock' } };
    const hungUp = enterVncServer(server.address, never).catch((error: unknown) => error);
    (await server.accepted()).end();
    const abort = new AbortController();
    const givenUp = enterVncServer(server.address, abort.signal).catch((error: unknown) => error);
    await server.accepted();
    abort.abort(new GatewayError('SESSION_ENDED', 'the session was stopped'));

    assert.include(await hungUp, { code: 'VNC_FAILED' });
    assert.include(await enterVncServer(gone, never).catch((error: unknown) => error), { code: 'VNC_FAILED' });
    assert.include(await givenUp, { code: 'SESSION_ENDED' });
  });

  test('may say nothing: it is given up in time, and its connection with it', async () => {
    await using server = await openServer(GREETING.subarray(0, 5));
    const entering = enterVncServer(server.address, never, { withinMs: 50 }).catch((error: unknown) => error);
    const socket = await server.accepted();
    socket.resume();

    assert.include(await entering, { code: 'VNC_FAILED' });
    await once(socket, 'end');
  });

  test('gives each client a connection of its own, and what comes with the greeting is not lost', async () => {
    await using server = await openServer(Buffer.concat([GREETING, Buffer.from('server init')]));
    const { join, tunnels } = openTunnels(server.address);
    const both = [await join(server), await join(server)];

    for (const [index, { socket, reader }] of both.entries()) {
      socket.write(`picture ${index}`);
      assert.equal(Buffer.from(await reader.read(20)).toString(), `server initpicture ${index}`);
    }
    await tunnels.stop(END);
  });
});

describe('a VNC tunnel', () => {
  test('carries every byte both ways, to slow readers too', async () => {
    await using server = await openServer();
    const { join } = openTunnels(server.address);
    const slow = await join(server);
    const quick = await join(server);
    const picture = randomBytes(24_000_000);
    const paste = randomBytes(4_000_000);
    slow.viewer.pause();

    slow.socket.write(picture);
    quick.socket.write(picture);
    for (let at = 0; at < paste.length; at += 100_000) slow.viewer.send(paste.subarray(at, at + 100_000));

    assert.ok(picture.equals(await quick.reader.read(picture.length)));
    assert.isAbove(slow.socket.writableLength, 1_000_000, 'the rest waits where it came from');
    slow.viewer.resume();
    assert.ok(picture.equals(await slow.reader.read(picture.length)));
    assert.ok(paste.equals(await readFrom(slow.socket, paste.length)));
    for (const { viewer, closed } of [slow, quick]) {
      viewer.close(1000, 'CLIENT_LEFT');
      await closed;
    }
  });

  test("tells the VNC server's end by an empty frame, after all that it sent", async () => {
    await using server = await openServer();
    const { join, said, tunnels } = openTunnels(server.address);
    const { socket, viewer, reader } = await join(server);
    const last = randomBytes(2_000_000);
    const ended = new Promise<void>((resolve) => {
      viewer.on('message', (frame: Buffer) => {
        if (frame.length === 0) resolve();
      });
    });

    socket.end(last);

    await ended;
    assert.ok(last.equals(await reader.read(last.length)));
    viewer.close(4502, 'VNC_LOST');
    await tunnels.stop(END);
    const [ready, closed] = said;
    assert.deepEqual([ready?.type, closed?.type], ['vnc_ready', 'vnc_closed']);
    assert.deepInclude(JSON.parse(JSON.stringify(closed?.payload)).reason, { code: 'VNC_LOST' });
  });

  test('lets what its client sent last reach the VNC server, then hangs up', async () => {
    await using server = await openServer();
    const { join, said, tunnels } = openTunnels(server.address);
    const { socket, viewer } = await join(server);
    const last = randomBytes(500_000);

    for (let at = 0; at < last.length; at += 50_000) viewer.send(last.subarray(at, at + 50_000));
    viewer.close(1000, 'CLIENT_LEFT');

    assert.ok(last.equals(await readFrom(socket, last.length)));
    socket.resume();
    await once(socket, 'end');
    socket.end();
    await tunnels.stop(END);
    assert.deepInclude(said.at(-1), { type: 'vnc_closed' });
  });

  test('leaves a VNC server that does not hang up when its client is gone', async () => {
    await using server = await openServer();
    const { join, tunnels } = openTunnels(server.address);
    const { socket, viewer } = await join(server);

    viewer.terminate();

    await tunnels.stop(END);
    assert.equal(socket.destroyed, false);
  });

  test('ends when its VNC server takes nothing any more', async () => {
    await using server = await openServer();
    const { join, tunnels } = openTunnels(server.address, { stallMs: 100 });
    const { socket, viewer, closed } = await join(server);
    socket.pause();

    for (let sent = 0; sent < 24; sent += 1) viewer.send(randomBytes(1_000_000));

    assert.deepEqual(await closed, { code: 4502, reason: 'VNC_LOST' });
    socket.destroy();
    await tunnels.stop(END);
  });

  test('ends with its session, alone, and with the agent', async () => {
    await using server = await openServer();
    const { join, tunnels, open } = openTunnels(server.address);
    const first = await join(server, 's-1');
    const second = await join(server, 's-2');
    assert.equal(tunnels.count, 2);

    tunnels.endSession('s-1', new GatewayError('SESSION_ENDED', 'the session was stopped'));
    assert.deepEqual(await first.closed, { code: 4411, reason: 'SESSION_ENDED' });
    second.socket.write('still there');
    assert.equal(Buffer.from(await second.reader.read(11)).toString(), 'still there');
    await tunnels.stop(END);
    assert.deepEqual(await second.closed, { code: 4503, reason: 'SHUTTING_DOWN' });
    assert.equal(tunnels.count, 0);

    await using pair = await openSocketPair();
    assert.include(await open(pair).catch((error: unknown) => error), { code: 'SHUTTING_DOWN' });
  });

  test('that nobody waits for any more is not opened', async () => {
    await using server = await openServer(GREETING.subarray(0, 5));
    await using pair = await openSocketPair();
    const { tunnels, said } = openTunnels(server.address);
    let dials = 0;
    const tunnelId = crypto.randomUUID();
    const opening = tunnels
      .open({ tunnelId, ticket: '', sessionId: 's-1' }, async () => {
        dials += 1;
        return clientSocket(pair.dialled);
      })
      .catch((error: unknown) => error);
    await server.accepted();

    tunnels.close(crypto.randomUUID(), new GatewayError('CLIENT_SILENT', "not this one's"));
    tunnels.close(tunnelId, new GatewayError('CLIENT_SILENT', 'nobody waits'));

    assert.include(await opening, { code: 'CLIENT_SILENT' });
    assert.equal(dials, 0);
    assert.deepEqual(said, []);
    await tunnels.stop(END);
  });

  test('is refused where a session has no VNC server', async () => {
    await using pair = await openSocketPair();
    const { open, said } = openTunnels(undefined);

    assert.include(await open(pair).catch((error: unknown) => error), { code: 'VNC_NOT_AVAILABLE' });
    assert.deepEqual(said, []);
  });
});
