import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { GatewayError, toGatewayError } from '../errors.ts';
import { KEEPALIVE_MS, SIGNALING_QUEUE_MAX_BYTES } from '../protocol/limits.ts';
import { closeSocket, tell } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import { keepAlive } from '../websocket/keep-alive.ts';
import { decodeFromClient } from './messages.ts';
import { findOwnMessage, type FromOwnClient } from './own-messages.ts';
import type { Upstream } from './upstream.ts';

/** A client's socket, open and paused, and how it was closed: that may have been before anybody could listen. */
export interface ClientSocket {
  socket: WebSocket;
  closed: Promise<ClientEnd>;
}

export interface ClientEnd {
  code: number;
  reason: string;
}

/** How a relay ended: its client's socket was closed, or the client did what it may not. */
export type RelayEnd = { by: 'client'; end: ClientEnd } | { by: 'relay'; failure: GatewayError };

export interface RelayOptions {
  /** The first frame that the client gets, before any of neko's. */
  greeting?: string | undefined;
  /** What the client gets in place of each frame of neko's; left out, the frame as it is. */
  rewrite?: ((frame: string) => readonly string[]) | undefined;
  /** Told what the client says to us, and not to neko. */
  onOwnMessage?: ((message: FromOwnClient) => void) | undefined;
  log: Logger;
}

/** Frames that a client may get wrong before its connection ends with BAD_FRAME. */
const CLIENT_ERRORS_MAX = 20;
/** Frames a second that one client may send (a mouse at 1000 Hz over the socket); more ends it with TOO_MANY_MESSAGES. */
const CLIENT_FRAMES_PER_SECOND_MAX = 2000;

/** Follows a socket that was just opened. */
export function clientSocket(socket: WebSocket): ClientSocket {
  const { promise, resolve } = Promise.withResolvers<ClientEnd>();
  socket.once('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
  return { socket, closed: promise };
}

/**
 * Joins one client to its login's connection at neko, frame by frame, from its construction on. The connection at neko outlives it:
 * whoever owns that decides at `ended` what becomes of it, and ends the relay by `close` when neko goes first.
 */
export class Relay {
  /** Resolves, never rejects, with the first end that came; nothing passes any more then. */
  readonly ended: Promise<RelayEnd>;
  /** Resolves once the client's socket is gone. */
  readonly closed: Promise<void>;
  readonly #client: WebSocket;
  readonly #upstream: Upstream;
  readonly #log: Logger;
  readonly #onOwnMessage: RelayOptions['onOwnMessage'];
  readonly #ended = Promise.withResolvers<RelayEnd>();
  #isEnded = false;
  #clientErrors = 0;

  constructor(client: ClientSocket, upstream: Upstream, { greeting, rewrite, onOwnMessage, log }: RelayOptions) {
    this.#client = client.socket;
    this.#upstream = upstream;
    this.#log = log;
    this.#onOwnMessage = onOwnMessage;
    this.ended = this.#ended.promise;
    this.closed = client.closed.then((end) => this.#end({ by: 'client', end }));
    this.#wireClient();
    if (greeting !== undefined) this.#tell(greeting);
    upstream.read((frame) => {
      // Its owner knows nothing of this client's media any more, and would remember it anew for good.
      if (this.#isEnded) return;
      for (const one of rewrite?.(frame) ?? [frame]) this.#toClient(one);
    });
    keepAlive(this.#client, KEEPALIVE_MS, () => this.#client.terminate());
    this.#client.resume();
  }

  /** Ends it for the failure's reason, which the client is told. The connection at neko stays. Idempotent. */
  close(failure: GatewayError): void {
    if (this.#isEnded) return;
    refuseClient(this.#client, failure);
    this.#end({ by: 'relay', failure });
  }

  #end(end: RelayEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#ended.resolve(end);
  }

  #wireClient(): void {
    const rate = new RateLimit(CLIENT_FRAMES_PER_SECOND_MAX);
    this.#client.on('error', (error) => this.#log.debug({ err: error }, 'the client side of a relay failed'));
    this.#client.on('message', (bytes, isBinary) => {
      if (this.#isEnded) return;
      if (!rate.take()) {
        const message = `more than ${CLIENT_FRAMES_PER_SECOND_MAX} frames in one second`;
        this.close(new GatewayError('TOO_MANY_MESSAGES', message));
        return;
      }
      const frame = textOf(bytes);
      const own = isBinary ? undefined : findOwnMessage(frame);
      if (own) {
        this.#onOwnMessage?.(own);
        return;
      }
      try {
        if (isBinary) throw new GatewayError('BAD_FRAME', 'signaling frames are text');
        decodeFromClient(frame);
      } catch (thrown) {
        this.#refuseFrame(toGatewayError(thrown));
        return;
      }
      this.#toNeko(frame);
    });
  }

  #refuseFrame(failure: GatewayError): void {
    this.#clientErrors += 1;
    if (this.#clientErrors > CLIENT_ERRORS_MAX) this.close(failure);
    else tell(this.#client, failure);
  }

  #toNeko(frame: string): void {
    if (this.#upstream.queued > SIGNALING_QUEUE_MAX_BYTES)
      this.close(new GatewayError('CLIENT_SLOW', 'the streamer does not take its frames'));
    else this.#upstream.send(frame);
  }

  #toClient(frame: string): void {
    if (this.#isEnded) return;
    if (this.#client.bufferedAmount > SIGNALING_QUEUE_MAX_BYTES)
      this.close(new GatewayError('CLIENT_SLOW', 'the client does not take its frames'));
    else this.#tell(frame);
  }

  #tell(frame: string): void {
    if (this.#client.readyState === this.#client.OPEN) this.#client.send(frame);
  }
}

/** Tells a client why, and closes its socket. */
export function refuseClient(client: WebSocket, failure: GatewayError): void {
  // A paused socket would not see the answer to its close.
  client.resume();
  tell(client, failure);
  closeSocket(client, failure.closeCode, failure.code);
}

/** Counts frames in whole seconds; cheap, and twice the limit at most passes across a second's edge. */
class RateLimit {
  readonly #max: number;
  #second = 0;
  #count = 0;
  constructor(max: number) {
    this.#max = max;
  }
  take(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= this.#max;
  }
}
