// Binary frames written straight to a WebSocket's connection. `ws` makes of each some objects and a copy here and there, and what it
// reads and writes is left to the garbage collector, which for a stream of pictures takes most of the time.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

const BINARY = 0x82;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** What is copied faster than it is written in parts. */
const COPIED_MAX_BYTES = 4096;
/** Readers like `ws` take a frame as it is when it lies in what they read at once, 64 KiB, and copy it otherwise. */
const FRAME_BYTES = 16 * 1024;

interface Connection {
  stream: Duplex;
  /** Whether frames have to carry a mask; it is one of zeros then. */
  isMasked: boolean;
}

const connections = new WeakMap<WebSocket, Connection>();

/** From now on frames are written to the connection beside its WebSocket, which doesn't compress: both write each one whole. */
export function writeDirectly(socket: WebSocket, connection: Connection): void {
  // What takes bytes within this process may hold them after it called back.
  if (connection.stream instanceof Socket) connections.set(socket, connection);
}

/** Writes bytes of a stream in binary messages as it sees fit; calls back, once, when nobody needs them any more: they are out of this process, or copied. */
export function sendBytes(socket: WebSocket, parts: readonly Uint8Array[], length: number, done: () => void): void {
  const connection = connections.get(socket);
  if (!connection || socket.readyState !== socket.OPEN) {
    socket.send(Buffer.concat(parts), () => done());
    return;
  }
  const { stream, isMasked } = connection;
  if (length <= COPIED_MAX_BYTES) {
    stream.write(Buffer.concat([headerOf(length, isMasked), ...parts]), () => done());
    return;
  }
  stream.cork();
  // Our own gateway, to which masked frames go, copies none.
  const frameBytes = isMasked ? length : FRAME_BYTES;
  let left = length;
  for (const part of parts)
    for (let at = 0; at < part.length; at += frameBytes) {
      const piece = part.subarray(at, at + frameBytes);
      left -= piece.length;
      stream.write(headerOf(piece.length, isMasked));
      if (left > 0) stream.write(piece);
      else stream.write(piece, () => done());
    }
  stream.uncork();
}

/**
 * Gives back at once the memory of a chunk that was read from a socket and is needed nowhere any more: it has no bytes then. The garbage
 * collector goes through the whole heap for each 32 MB of such chunks.
 */
export function freeChunk({ buffer, byteLength }: Uint8Array): void {
  // Others may have a part of what is no chunk's own.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

function headerOf(length: number, isMasked: boolean): Buffer {
  const mask = isMasked ? MASKED : 0;
  const sizeBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.allocUnsafe(2 + sizeBytes + (isMasked ? MASK_BYTES : 0));
  header[0] = BINARY;
  header[1] = mask | (sizeBytes === 0 ? length : sizeBytes === 2 ? 126 : 127);
  if (sizeBytes === 2) header.writeUInt16BE(length, 2);
  if (sizeBytes === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return header.fill(0, 2 + sizeBytes);
}
