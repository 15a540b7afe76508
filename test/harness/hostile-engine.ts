import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createConnection } from 'node:net';

export interface HostileEngine extends AsyncDisposable {
  path: string;
  /** All that clients sent, connection by connection. */
  received: Buffer[];
  dial(): Promise<Duplex>;
}

/** A daemon on a unix socket that says what the test wants, byte for byte: `onData` sees what a connection has sent so far. */
export async function startHostileEngine(
  path: string,
  onData: (socket: Socket, sofar: Buffer, connection: number) => void,
): Promise<HostileEngine> {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = received.push(Buffer.alloc(0)) - 1;
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    socket.on('data', (piece: Buffer) => {
      received[connection] = Buffer.concat([received[connection] ?? Buffer.alloc(0), piece]);
      onData(socket, received[connection], connection);
    });
    socket.once('end', () => socket.emit('client-ended'));
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    received,
    dial: async () => {
      const socket = createConnection({ path, allowHalfOpen: true });
      await once(socket, 'connect');
      return socket;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Writes one byte after the other, each in a write of its own. */
export async function trickle(socket: Duplex, text: string | Buffer): Promise<void> {
  for (const byte of Buffer.from(text)) {
    await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Says it and reads what comes back until the other side ends; `half` ends our own side right after. */
export async function converse(
  path: string,
  text: string | Buffer,
  options: { half?: boolean; slowly?: boolean } = {},
): Promise<string> {
  const socket = createConnection({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  const ended = readAll(socket);
  if (options.slowly) await trickle(socket, text);
  else socket.write(text);
  if (options.half) socket.end();
  const answer = await ended;
  socket.destroy();
  return answer;
}

export async function readAll(stream: Duplex): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('latin1');
}
