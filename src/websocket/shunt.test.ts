import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterEach, assert, test, vi } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { listenOnAnyPort } from '../../test/harness/ports.ts';
import { closedOf } from './closing.ts';
import { bytesOf } from './frames.ts';
import { keepAlive } from './keep-alive.ts';
import { Shunt, takeBinary } from './shunt.ts';

const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;

interface Joined extends AsyncDisposable {
  /** The dialling end, for frames byte by byte. */
  wire: Socket;
  /** The accepted one. */
  socket: WebSocket;
  closed: Promise<unknown>;
  /** What its listeners were told and what was led past it, in order. */
  told: string[];
  taken: Uint8Array[];
  /** Takes bytes, as copies or as they are, and releases them at once. */
  divert: (options?: { isCopied?: boolean }) => void;
}

async function open(): Promise<Joined> {
  const http = createServer();
  const server = new WebSocketServer({ noServer: true, maxPayload: 100_000 });
  const { promise: accepted, resolve } = Promise.withResolvers<WebSocket>();
  http.on('upgrade', (request, connection, head) => {
    const shunt = new Shunt(connection);
    server.handleUpgrade(request, shunt, head, (socket) => {
      shunt.serve(socket);
      resolve(socket);
    });
  });
  const wire = connect(await listenOnAnyPort(http), '127.0.0.1');
  wire.on('error', () => undefined);
  const key = randomBytes(16).toString('base64');
  wire.write(
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const socket = await accepted;
  const told: string[] = [];
  const taken: Uint8Array[] = [];
  socket
    .on('message', (data, isBinary) => told.push(`${isBinary ? 'binary' : 'text'} ${bytesOf(data).length}`))
    .on('ping', () => told.push('ping'))
    .on('close', (code) => told.push(`close ${code}`))
    .on('error', (error) => told.push('code' in error ? String(error.code) : error.message));
  return {
    wire,
    socket,
    closed: closedOf(socket),
    told,
    taken,
    divert: ({ isCopied = true } = {}) => {
      takeBinary(socket, (parts, length, release) => {
        assert.equal(
          parts.reduce((sum, part) => sum + part.length, 0),
          length,
        );
        taken.push(...parts.map((part) => (isCopied ? Uint8Array.from(part) : part)));
        if (told.at(-1) !== 'bytes') told.push('bytes');
        release();
      });
    },
    async [Symbol.asyncDispose]() {
      wire.destroy();
      socket.terminate();
      http.close();
      await once(http, 'close');
    },
  };
}

interface FrameOptions {
  isLast?: boolean;
  isMasked?: boolean;
  reserved?: number;
}

function frame(opcode: number, payload: Buffer, { isLast = true, isMasked = true, reserved = 0 }: FrameOptions = {}) {
  const size = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + size);
  header[0] = (isLast ? 0x80 : 0) | reserved | opcode;
  header[1] = (isMasked ? 0x80 : 0) | (size === 0 ? payload.length : size === 2 ? 126 : 127);
  if (size === 2) header.writeUInt16BE(payload.length, 2);
  if (size === 8) header.writeBigUInt64BE(BigInt(payload.length), 2);
  if (!isMasked) return Buffer.concat([header, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))]);
}

afterEach(() => void vi.useRealTimers());

const NOTHING = Buffer.alloc(0);
const GOODBYE = frame(CLOSE, Buffer.from([0x03, 0xe8]));

test.each([1, 2, 7, 1000, 1_000_000])(
  'payloads of binary frames are led past the WebSocket whole and in order, all else reaches it, in chunks of %i bytes',
  async (chunkBytes) => {
    await using joined = await open();
    const { wire, closed, told, taken, divert } = joined;
    const payload = randomBytes(chunkBytes < 100 ? 2000 : 300_000);
    const [first, second, third] = [0.3, 0.31, 0.9].map((part) => Math.floor(payload.length * part));
    divert();
    const bytes = Buffer.concat([
      frame(BINARY, payload.subarray(0, first)),
      frame(PING, NOTHING),
      frame(BINARY, payload.subarray(first, second), { isLast: false }),
      frame(PING, Buffer.from('still there?')),
      frame(CONTINUATION, payload.subarray(second, third), { isLast: false }),
      frame(CONTINUATION, NOTHING),
      frame(TEXT, Buffer.from('a word')),
      frame(BINARY, payload.subarray(third)),
      frame(BINARY, NOTHING),
      GOODBYE,
    ]);

    wire.setNoDelay(true);
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      wire.write(bytes.subarray(at, at + chunkBytes));
      if (chunkBytes < 100) await setImmediate();
    }
    wire.resume();
    await closed;

    assert.ok(payload.equals(Buffer.concat(taken)));
    const order = ['bytes', 'ping', 'bytes', 'ping', 'bytes', 'text 6', 'bytes', 'binary 0', 'close 1000'];
    assert.deepEqual(told, order);
  },
);

test('what came before anybody took bytes is a message, and comes first', async () => {
  await using joined = await open();
  const { wire, socket, closed, told, divert } = joined;
  wire.write(frame(BINARY, randomBytes(5)));
  await once(socket, 'message');
  const half = frame(BINARY, randomBytes(50_000));
  wire.write(Buffer.concat([frame(PING, NOTHING), half.subarray(0, 20_000)]));
  await once(socket, 'ping');

  divert();
  wire.write(Buffer.concat([half.subarray(20_000), frame(BINARY, randomBytes(7)), GOODBYE]));
  wire.resume();
  await closed;

  assert.deepEqual(told, ['binary 5', 'ping', 'binary 50000', 'bytes', 'close 1000']);
});

test('a chunk that a WebSocket or a later part still needs is not given back before', async () => {
  await using joined = await open();
  const { wire, closed, taken, divert } = joined;
  const payload = randomBytes(40_000);
  divert({ isCopied: false });

  wire.write(
    Buffer.concat([
      frame(BINARY, payload.subarray(0, 100)),
      frame(PING, NOTHING),
      frame(BINARY, payload.subarray(100)),
      GOODBYE,
    ]),
  );
  wire.resume();
  await closed;

  assert.ok(payload.equals(Buffer.concat(taken)));
});

test('a chunk that begins with the rest of a frame that the WebSocket gets stays with it', async () => {
  await using joined = await open();
  const { wire, socket, told, divert } = joined;
  const payload = Buffer.from('still there?');
  const ping = frame(PING, payload);
  const headerBytes = ping.length - payload.length;
  divert({ isCopied: false });
  wire.write(Buffer.concat([frame(PING, NOTHING), ping.subarray(0, headerBytes)]));
  await once(socket, 'ping');

  wire.write(Buffer.concat([ping.subarray(headerBytes), frame(BINARY, randomBytes(7))]));
  const [heard] = await once(socket, 'ping');

  assert.deepEqual(told, ['ping', 'ping', 'bytes']);
  assert.equal(String(heard), 'still there?');
});

test('a chunk that nobody else needs is given back when it is released', async () => {
  await using joined = await open();
  const parts: Uint8Array[] = [];
  const taken = new Promise<void>((resolve) => {
    takeBinary(joined.socket, (some, _length, release) => {
      parts.push(...some);
      release();
      resolve();
    });
  });

  joined.wire.write(frame(BINARY, randomBytes(1000)));
  await taken;

  assert.deepEqual(
    parts.map(({ length }) => length),
    [0],
  );
});

test.each([
  ['is not masked', frame(BINARY, randomBytes(10), { isMasked: false }), 'WS_ERR_EXPECTED_MASK'],
  ['has reserved bits', frame(BINARY, randomBytes(10), { reserved: 0x40 }), 'WS_ERR_UNEXPECTED_RSV_1'],
  ['goes on with nothing', frame(CONTINUATION, randomBytes(10)), 'WS_ERR_INVALID_OPCODE'],
  ['is longer than any', Buffer.from('82ffffffffffffffffff00000000', 'hex'), 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH'],
  ['is a text that is too long', frame(TEXT, randomBytes(100_001)), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'],
])('a frame that %s is refused as ever', async (_, bytes, code) => {
  await using joined = await open();
  joined.divert();

  joined.wire.write(bytes);
  joined.wire.resume();
  await joined.closed;

  assert.deepEqual(joined.told, [code, 'close 1006']);
});

test('while the WebSocket is paused nothing is read, and then all is', async () => {
  await using joined = await open();
  const { wire, socket, closed, taken, divert } = joined;
  divert();
  socket.pause();
  const payload = randomBytes(30_000_000);
  for (let at = 0; at < payload.length; at += 1_000_000)
    wire.write(frame(BINARY, payload.subarray(at, at + 1_000_000)));
  wire.write(GOODBYE);
  wire.resume();
  await setImmediate();
  assert.isAbove(wire.writableLength, 1_000_000);
  assert.deepEqual(taken, []);

  socket.resume();
  await closed;

  assert.ok(payload.equals(Buffer.concat(taken)));
});

test('who sends is not taken for silent, though its pongs stand behind what it sends; who sends no more is', async () => {
  await using joined = await open();
  const { wire, socket, taken, divert } = joined;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  let isSilent = false;
  divert();
  keepAlive(socket, 20_000, () => (isSilent = true));

  for (let count = 1; count < 5; count++) {
    wire.write(frame(BINARY, Buffer.from('bytes')));
    while (taken.length < count) await setImmediate();
    vi.advanceTimersByTime(20_000);
  }

  assert.isFalse(isSilent);
  vi.advanceTimersByTime(60_000);
  assert.isTrue(isSilent);
});
