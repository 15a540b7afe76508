import type { Logger } from 'pino';
import { WebSocket, type RawData } from 'ws';
import { GatewayError, toGatewayError } from '../errors.ts';
import { KEEPALIVE_MS, SIGNALING_FRAME_MAX_BYTES, SIGNALING_QUEUE_MAX_BYTES } from '../protocol/limits.ts';
import type { Role } from '../protocol/session.ts';
import { closedOf, closeSocket, CLOSE_NORMAL, tell } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import { keepAlive } from '../websocket/keep-alive.ts';
import { decodeFromClient } from './messages.ts';

/** What a relay needs of the session's neko. */
export interface NekoLogins {
  /** Logs in under a name of its own and drops the login's privileges to the role's. */
  login(name: string, role: Role): Promise<{ token: string }>;
  /** Ends the login; neko then ends its media too. */
  logout(token: string): Promise<void>;
  socketUrl(token: string): string;
}

export interface RelayOptions {
  loginId: string;
  role: Role;
  label: string;
  log: Logger;
}

/** Frames that a client may get wrong before its connection ends with BAD_FRAME. */
const CLIENT_ERRORS_MAX = 20;
/** Frames a second that one client may send (a mouse at 1000 Hz over the socket); more ends it with TOO_MANY_MESSAGES. */
const CLIENT_FRAMES_PER_SECOND_MAX = 2000;
/** neko answers on the same host, so longer than this means that it hangs. */
const UPSTREAM_OPEN_MS = 10_000;

/**
 * One client's connection to one session's neko: a fresh login, joined frame by frame to the client's socket, which is
 * open and paused when it comes here. Resolves when the client can talk. However it ends, neko's side is closed with 1000
 * and logged out, for neko keeps a picture running after its WebSocket is gone and ends it only with the login.
 * @throws GatewayError NEKO_UNREACHABLE | NEKO_REFUSED; then nothing of it is left and the client's socket is told and closed.
 */
export async function openRelay(client: WebSocket, neko: NekoLogins, options: RelayOptions): Promise<Relay> {
  let token: string | undefined;
  try {
    const login = await neko.login(`${options.label || options.role}-${options.loginId.slice(0, 8)}`, options.role);
    token = login.token;
    const upstream = await openUpstream(neko.socketUrl(login.token));
    return new Relay(client, upstream, () => neko.logout(login.token), options);
  } catch (thrown) {
    const failure = toGatewayError(thrown);
    if (token !== undefined)
      await neko
        .logout(token)
        .catch((error: unknown) => options.log.warn({ err: error }, 'logout after a failed join failed'));
    tell(client, failure);
    closeSocket(client, failure.closeCode, failure.code);
    throw failure;
  }
}

async function openUpstream(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, {
    maxPayload: SIGNALING_FRAME_MAX_BYTES,
    perMessageDeflate: false,
    handshakeTimeout: UPSTREAM_OPEN_MS,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => {
      // neko's first frames may come with the handshake's answer, before anything awaited goes on.
      socket.pause();
      resolve();
    });
    socket.once('error', (cause) => {
      reject(new GatewayError('NEKO_UNREACHABLE', `neko refused its WebSocket: ${cause.message}`, { cause }));
    });
  });
  return socket;
}

export class Relay {
  readonly loginId: string;
  /** Resolves, never rejects, once both sides are closed and neko is logged out. */
  readonly closed: Promise<void>;
  readonly #client: WebSocket;
  readonly #upstream: WebSocket;
  readonly #log: Logger;
  #clientErrors = 0;
  #farewell: string | undefined;

  constructor(client: WebSocket, upstream: WebSocket, logout: () => Promise<void>, options: RelayOptions) {
    this.loginId = options.loginId;
    this.#client = client;
    this.#upstream = upstream;
    this.#log = options.log;
    this.#wireClient();
    this.#wireUpstream();
    this.closed = Promise.all([closedOf(client), closedOf(upstream)]).then(async () => {
      await logout().catch((error: unknown) => this.#log.warn({ err: error }, 'logging out of neko failed'));
    });
    keepAlive(client, KEEPALIVE_MS, () => client.terminate());
    keepAlive(upstream, KEEPALIVE_MS, () => upstream.terminate());
    upstream.resume();
    client.resume();
    // A client that left while its login was being made has fired its `close` already.
    if (client.readyState === client.CLOSED) closeSocket(upstream, CLOSE_NORMAL, '');
  }

  /** Ends it for the failure's reason, which the client is told. Idempotent. */
  close(failure: GatewayError): Promise<void> {
    tell(this.#client, failure);
    closeSocket(this.#client, failure.closeCode, failure.code);
    closeSocket(this.#upstream, CLOSE_NORMAL, '');
    return this.closed;
  }

  #wireClient(): void {
    const rate = new RateLimit(CLIENT_FRAMES_PER_SECOND_MAX);
    this.#client.on('message', (bytes, isBinary) => {
      if (!rate.take()) {
        void this.close(
          new GatewayError('TOO_MANY_MESSAGES', `more than ${CLIENT_FRAMES_PER_SECOND_MAX} frames in one second`),
        );
        return;
      }
      try {
        if (isBinary) throw new GatewayError('BAD_FRAME', 'signaling frames are text');
        decodeFromClient(textOf(bytes));
      } catch (thrown) {
        this.#refuseFrame(toGatewayError(thrown));
        return;
      }
      this.#forward(this.#upstream, bytes);
    });
    this.#client.on('error', (error) => this.#log.debug({ err: error }, 'the client side of a relay failed'));
    // Leaving and losing are alike here: the login ends with its connection.
    this.#client.on('close', () => closeSocket(this.#upstream, CLOSE_NORMAL, ''));
  }

  #wireUpstream(): void {
    this.#upstream.on('message', (bytes) => {
      const text = textOf(bytes);
      if (text.startsWith(FAREWELL_START)) this.#farewell = text;
      this.#forward(this.#client, bytes);
    });
    this.#upstream.on('error', (error) => this.#log.debug({ err: error }, 'the neko side of a relay failed'));
    this.#upstream.on('close', () => {
      void this.close(failureOfNeko(this.#farewell));
    });
  }

  #refuseFrame(failure: GatewayError): void {
    this.#clientErrors += 1;
    if (this.#clientErrors > CLIENT_ERRORS_MAX) void this.close(failure);
    else tell(this.#client, failure);
  }

  #forward(to: WebSocket, bytes: RawData): void {
    if (to.readyState !== to.OPEN) return;
    if (to.bufferedAmount > SIGNALING_QUEUE_MAX_BYTES) {
      void this.close(new GatewayError('CLIENT_SLOW', 'the other end does not take its frames'));
      return;
    }
    to.send(textOf(bytes));
  }
}

const FAREWELL_START = '{"event":"system/disconnect"';

/** neko says why when it ends a connection on purpose; a socket that just breaks means that neko itself went away. */
function failureOfNeko(farewell: string | undefined): GatewayError {
  // What a neko says that is told to end: the supervisor starts the next one. (websocket/manager.go at baf21c1)
  if (farewell === undefined || farewell.includes('"connection shutdown"'))
    return new GatewayError('STREAMER_LOST', 'the streamer went away; it is being restarted');
  return new GatewayError('NEKO_REFUSED', `neko ended the login: ${farewell.slice(0, 200)}`);
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
