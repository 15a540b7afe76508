import { Readable } from 'node:stream';
import type { WebSocket } from 'ws';
import { GatewayError } from '../errors.ts';
import { textOf } from './frames.ts';

/** Bytes that may wait in a socket before the body is read no further. */
const QUEUE_BYTES = 256 * 1024;

/** A head and a body, as they come in on one WebSocket (see src/protocol/http-tunnel.ts). */
export interface IncomingMessage {
  head: string;
  /** Paused while nobody reads it; destroyed with an error when the socket closes before its end. */
  body: Readable;
}

/**
 * Listens for one message on a socket that is open and paused, or has said nothing yet.
 * @throws GatewayError BAD_FRAME, or what `lost` makes of a socket that closes before the head is there
 */
export function receiveMessage(
  socket: WebSocket,
  lost: (code: number, reason: Buffer) => GatewayError,
): Promise<IncomingMessage> {
  const body = new Readable({ read: () => socket.resume() });
  // Who only wants the head must not end the process with a body that breaks.
  body.on('error', () => undefined);
  let isEnded = false;
  return new Promise((resolve, reject) => {
    let hasHead = false;
    const fail = (error: GatewayError): void => {
      reject(error);
      body.destroy(error);
    };
    socket.on('message', (bytes, isBinary) => {
      if (isEnded) return;
      if (isBinary !== hasHead) {
        fail(new GatewayError('BAD_FRAME', 'an HTTP message is one text frame and then binary ones'));
        return;
      }
      if (!hasHead) {
        hasHead = true;
        resolve({ head: textOf(bytes), body });
        return;
      }
      const chunk = Buffer.isBuffer(bytes) ? bytes : Buffer.from(textOf(bytes));
      isEnded = chunk.length === 0;
      // Paused after its end, the socket would not see its peer leave.
      if (isEnded) body.push(null);
      else if (!body.push(chunk)) socket.pause();
    });
    socket.once('close', (code, reason) => {
      if (!isEnded) fail(lost(code, reason));
    });
    socket.resume();
  });
}

/** Resolves once all of it was handed to the socket. @throws what the body throws, or when the socket closes first */
export async function sendMessage(
  socket: WebSocket,
  head: unknown,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  await send(socket, JSON.stringify(head));
  for await (const chunk of body) if (chunk.length > 0) await send(socket, chunk);
  await send(socket, Buffer.alloc(0));
}

function send(socket: WebSocket, frame: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(frame, (error) => (error ? reject(error) : resolve()));
    if (socket.bufferedAmount < QUEUE_BYTES && socket.readyState === socket.OPEN) resolve();
  });
}
