import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../errors.ts';
import { TcpServer } from '../net/tcp-server.ts';
import { meetClient, type Challenge } from '../rfb/client-side.ts';
import { converse } from '../rfb/converse.ts';
import { answerChallenge } from '../rfb/password.ts';
import { CHALLENGE_BYTES } from '../rfb/security.ts';
import { bridge } from './bridge.ts';
import type { DoorAddress } from './door.ts';

/** Clients at once; further ones are hung up on. As many as a gateway takes with one access. */
const CLIENTS_MAX = 16;
/** Time that a client has for its part of the handshake. */
const MEET_MS = 10_000;

export interface VncListenerOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** What clients must know; of it, eight bytes count. Left out, nothing. */
  password?: string | undefined;
  door: DoorAddress;
  log: Logger;
}

/** Where native VNC clients reach one session: each connection is a client of its own at the gateway. */
export class VncListener implements AsyncDisposable {
  readonly #options: VncListenerOptions;
  readonly #server: TcpServer;

  /** Resolves once it listens. @throws GatewayError BAD_REQUEST when it can't */
  static async open(options: VncListenerOptions): Promise<VncListener> {
    const listener = new VncListener(options);
    await listener.#server.listen(options);
    return listener;
  }

  private constructor(options: VncListenerOptions) {
    this.#options = options;
    this.#server = new TcpServer({
      connectionsMax: CLIENTS_MAX,
      serve: (socket, stopped) => this.#serve(socket, stopped),
      log: options.log,
    });
  }

  get port(): number {
    return this.#server.port;
  }

  /** Hangs up; resolves once nobody is connected any more. Idempotent. */
  stop(): Promise<void> {
    return this.#server.stop(new GatewayError('SHUTTING_DOWN', 'this listener is shutting down'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Never rejects. */
  async #serve(socket: Socket, signal: AbortSignal): Promise<void> {
    const { password, door, log } = this.#options;
    // An error is followed by the close.
    socket.on('error', (error) => log.debug({ reason: error.message }, "a VNC client's connection failed"));
    try {
      const challenge = password === undefined ? undefined : challengeOf(password);
      const client = await converse(socket, meetClient({ challenge }), {
        withinMs: MEET_MS,
        signal,
        failure: (what) => new GatewayError('CLIENT_SILENT', `the VNC client ${what}`),
      });
      log.info('a VNC client has come');
      const ending = await bridge(socket, client, door, signal);
      log.info({ code: ending?.code ?? 'CLIENT_LEFT' }, ending?.message ?? 'a VNC client has left');
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      log.warn({ code }, message);
      socket.end(() => socket.destroy());
    }
  }
}

function challengeOf(password: string): Challenge {
  const bytes = randomBytes(CHALLENGE_BYTES);
  return {
    bytes,
    isAnsweredBy: (answer) => timingSafeEqual(answerChallenge(password, bytes), answer),
  };
}
