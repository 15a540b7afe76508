import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import { GatewayError, messageOf } from '../errors.ts';
import type { Place } from './address.ts';

export interface TcpServerOptions {
  /** Connections at once; more are closed. */
  connectionsMax: number;
  /** One connection, from its first byte to its end, which it brings about by itself; never rejects. Its signal is aborted by `stop`. */
  serve: (socket: Socket, signal: AbortSignal) => Promise<void>;
  log: Logger;
}

/** A TCP port whose connections are each served to their end before it is stopped. */
export class TcpServer {
  readonly #server: Server;
  readonly #served = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  readonly #log: Logger;
  #port = 0;
  #stopping: Promise<void> | undefined;

  constructor({ connectionsMax, serve, log }: TcpServerOptions) {
    this.#log = log;
    this.#server = createServer({ noDelay: true }, (socket) => {
      const served: Promise<void> = serve(socket, this.#stopped.signal).finally(() => this.#served.delete(served));
      this.#served.add(served);
    });
    this.#server.maxConnections = connectionsMax;
  }

  /** Resolves once it listens. @param flag whose value the place is @throws GatewayError BAD_REQUEST when it can't */
  async listen({ host, port }: Place, flag?: string): Promise<void> {
    const who = flag === undefined ? '' : `${flag} `;
    try {
      await once(this.#server.listen(port, host), 'listening');
    } catch (cause) {
      throw new GatewayError('BAD_REQUEST', `${who}can't listen at ${host} port ${port}: ${messageOf(cause)}`, {
        cause,
      });
    }
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : port;
    this.#server.on('error', ({ message }) => this.#log.warn({ reason: message }, 'a connection could not be taken'));
  }

  /** The one that `listen` took. */
  get port(): number {
    return this.#port;
  }

  /** Resolves once nobody is connected any more. Idempotent. */
  stop(reason: GatewayError): Promise<void> {
    return (this.#stopping ??= this.#stop(reason));
  }

  async #stop(reason: GatewayError): Promise<void> {
    this.#stopped.abort(reason);
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    await Promise.all([closed, ...this.#served]);
  }
}
