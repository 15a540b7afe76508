import type { WebSocket } from 'ws';
import { GatewayError } from '../../errors.ts';
import { decodeHead, ResponseHead, type PictureHead } from '../../protocol/http-tunnel.ts';
import { closeSocket, CLOSE_NORMAL } from '../../websocket/closing.ts';
import { textOf } from '../../websocket/frames.ts';
import { failureOfTunnel } from '../tunnels/http-exchange.ts';

/** A JPEG of the largest screen that neko has is smaller; a longer one is refused as MESSAGE_TOO_BIG. */
const JPEG_MAX_BYTES = 32 * 1024 * 1024;

/**
 * A tunnel on which one program asks for its pictures, one after another: having its agent dial back for each would take as long as a small picture
 * does. It is opened for the first, and anew when it was lost.
 */
export class PictureTunnel {
  readonly #dial: (signal: AbortSignal) => Promise<WebSocket>;
  #socket: WebSocket | undefined;

  /** `dial` resolves with a socket, open and paused, which is this tunnel's then. */
  constructor(dial: (signal: AbortSignal) => Promise<WebSocket>) {
    this.#dial = dial;
  }

  /** One JPEG of the whole screen; not while another is awaited. @throws GatewayError | the signal's reason */
  async ask(head: PictureHead, signal: AbortSignal): Promise<Buffer> {
    const kept = this.#socket;
    const socket = kept && kept.readyState === kept.OPEN ? kept : await this.#dial(signal);
    this.#socket = socket;
    const cut = (): void => socket.terminate();
    signal.addEventListener('abort', cut);
    try {
      signal.throwIfAborted();
      return await exchange(socket, head);
    } catch (thrown) {
      socket.terminate();
      throw signal.aborted ? signal.reason : thrown;
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  close(): void {
    if (this.#socket) closeSocket(this.#socket, CLOSE_NORMAL, '');
  }
}

/** As src/protocol/http-tunnel.ts has it: a head, and then the picture in frames up to an empty one. */
async function exchange(socket: WebSocket, head: PictureHead): Promise<Buffer> {
  const answered = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onMessage = (frame: Parameters<typeof textOf>[0], isBinary: boolean): void => {
    if (!isBinary) {
      try {
        decodeHead(ResponseHead, textOf(frame));
      } catch (thrown) {
        answered.reject(thrown);
      }
      return;
    }
    const chunk = Buffer.isBuffer(frame) ? frame : Buffer.from(textOf(frame));
    bytes += chunk.length;
    if (bytes > JPEG_MAX_BYTES)
      answered.reject(
        new GatewayError('MESSAGE_TOO_BIG', `the desktop's picture is longer than ${JPEG_MAX_BYTES} bytes`),
      );
    if (chunk.length > 0) chunks.push(chunk);
    else answered.resolve(Buffer.concat(chunks));
  };
  const onClose = (code: number, reason: Buffer): void => answered.reject(failureOfTunnel(code, reason));
  socket.on('message', onMessage).once('close', onClose);
  try {
    socket.send(JSON.stringify(head));
    socket.resume();
    return await answered.promise;
  } finally {
    socket.off('message', onMessage).off('close', onClose);
  }
}
