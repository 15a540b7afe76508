import { randomUUID } from 'node:crypto';
import { Agent, type Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';
import { bridge } from '../../bridge/bridge.ts';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Place } from '../../net/address.ts';
import { TcpServer } from '../../net/tcp-server.ts';
import { Id } from '../../protocol/session.ts';
import { askForTls, readPlain, refuseClient, type KnownClient } from '../../rfb/client-side.ts';
import { converse, type ConverseOptions } from '../../rfb/converse.ts';
import { SECURITY } from '../../rfb/security.ts';
import type { Auth } from '../auth.ts';
import { count } from '../count.ts';

/** Connections at once, and those of one address that have not joined yet; more are closed. */
const CONNECTIONS_MAX = 1024;
const STRANGERS_MAX_PER_ADDRESS = 16;
/** Time up to TLS, and again for TLS with name and password. */
const HANDSHAKE_MS = 10_000;
/** What a token of ours is made of; anything else is no token. */
const TOKEN = /^[\w.~-]{1,256}$/;

export interface RfbListenerOptions {
  place: Place;
  /** PEM. */
  tls: { cert: string | Buffer; key: string | Buffer };
}

export interface RfbListenerDeps {
  /** Where the doors are. */
  server: HttpServer;
  auth: Auth;
  log: Logger;
}

/**
 * Where VNC clients come in by TCP: RFB with VeNCrypt's X509Plain, the session's id as name and the access token as password. Nothing is asked before TLS. Who has said both
 * joins at the door of WebSockets as any other VNC client, so that all that holds there holds here.
 */
export class RfbListener {
  readonly #deps: RfbListenerDeps;
  readonly #context: SecureContext;
  readonly #server: TcpServer;
  readonly #strangers = new Map<string, number>();

  /** Resolves once it listens. @throws GatewayError BAD_REQUEST when it can't, or the certificate is of no use */
  static async open(deps: RfbListenerDeps, options: RfbListenerOptions): Promise<RfbListener> {
    const listener = new RfbListener(deps, options);
    await listener.#server.listen(options.place, '--rfb-listen');
    return listener;
  }

  private constructor(deps: RfbListenerDeps, options: RfbListenerOptions) {
    this.#deps = deps;
    this.#context = contextOf(options.tls);
    const { log } = deps;
    this.#server = new TcpServer({
      connectionsMax: CONNECTIONS_MAX,
      serve: (socket, stopped) =>
        this.#serve(socket, stopped)
          .catch((thrown: unknown) => {
            const { code, message } = toGatewayError(thrown);
            log.info({ code, reason: message }, 'a VNC client at the RFB listener was refused');
          })
          .finally(() => socket.destroy()),
      log,
    });
  }

  get port(): number {
    return this.#server.port;
  }

  /** Hangs up; resolves once nobody is connected any more. Idempotent. */
  stop(): Promise<void> {
    return this.#server.stop(new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down'));
  }

  async #serve(socket: Socket, signal: AbortSignal): Promise<void> {
    // Errors are followed by the close.
    socket.on('error', () => undefined);
    const address = socket.remoteAddress ?? '';
    const { tls, client, sessionId, token } = await this.#meet(socket, address, signal);
    const agent = new InsideAgent(this.#deps.server, address);
    try {
      await bridge(tls, client, { url: new URL(`ws://gateway/s/${sessionId}/vnc`), token, agent }, signal);
    } finally {
      agent.destroy();
    }
  }

  /** Up to where the client has said who it is. */
  async #meet(
    socket: Socket,
    address: string,
    signal: AbortSignal,
  ): Promise<{ tls: TLSSocket; client: KnownClient; sessionId: string; token: string }> {
    using _ = count(this.#strangers, address, STRANGERS_MAX_PER_ADDRESS);
    const options: ConverseOptions = {
      withinMs: HANDSHAKE_MS,
      signal,
      failure: (what) => new GatewayError('CLIENT_SILENT', `the VNC client ${what}`),
    };
    const minor = await converse(socket, askForTls(), options);
    const tls = new TLSSocket(socket, { isServer: true, secureContext: this.#context });
    tls.on('error', () => undefined);
    const { user, password: token } = await converse(tls, readPlain(), options);
    const client = { minor, security: SECURITY.venCrypt };
    const sessionId = Id.safeParse(user);
    if (sessionId.success && TOKEN.test(token)) return { tls, client, sessionId: sessionId.data, token };
    const failure = this.#deps.auth.refuse(
      { sessionId: undefined, address, requestId: randomUUID() },
      new GatewayError('UNAUTHENTICATED', 'the name is to be a session, and the password an access token to it'),
    );
    await new Promise<void>((resolve) => {
      tls.once('close', resolve).end(refuseClient(client, failure.message), () => resolve());
    });
    throw failure;
  }
}

/** Connects to our own HTTP server inside this process, under the address of who came. */
class InsideAgent extends Agent {
  readonly #server: HttpServer;
  readonly #address: string;

  constructor(server: HttpServer, address: string) {
    super();
    this.#server = server;
    this.#address = address;
  }

  override createConnection(): Duplex {
    const [near, far] = duplexPair();
    this.#server.emit('connection', Object.assign(far, { remoteAddress: this.#address }));
    return near;
  }
}

function contextOf({ cert, key }: RfbListenerOptions['tls']): SecureContext {
  try {
    return createSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  } catch (cause) {
    throw new GatewayError('BAD_REQUEST', `--rfb-tls-cert and --rfb-tls-key are of no use: ${String(cause)}`, {
      cause,
    });
  }
}
