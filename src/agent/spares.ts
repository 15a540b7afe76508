import type { Logger } from 'pino';
import type { ClientOptions, WebSocket } from 'ws';
import { KEEPALIVE_MS } from '../protocol/limits.ts';
import { SPARES_PER_AGENT, type SpareClaim } from '../protocol/spare.ts';
import { holdFrames } from '../websocket/hold.ts';
import { keepAlive } from '../websocket/keep-alive.ts';
import { dialTunnel } from './dial.ts';

/** Between two tries after one that failed; a gateway without this door has tunnels dialled as they are asked for. */
const RETRY_MS = 10_000;

export interface SparesOptions {
  /** The gateway's address for spares, ws: or wss:. */
  url: string;
  dial: Pick<ClientOptions, 'headers' | 'maxPayload'>;
  log: Logger;
}

interface Spare {
  socket: WebSocket;
  endKeepAlive: () => void;
}

/** WebSockets to the gateway that are dialled before a tunnel is asked for, so that dialling is not on its path. Owns those that are not taken. */
export class Spares {
  readonly #options: SparesOptions;
  readonly #open: Spare[] = [];
  readonly #all = new Set<WebSocket>();
  #retry: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: SparesOptions) {
    this.#options = options;
  }

  /** A gateway has said welcome: those of an earlier connection are of no use. */
  renew(): void {
    this.#drop();
    this.#fill();
  }

  /** The ticket's tunnel, held until its taker resumes it; undefined when there is none to spare. */
  take(ticket: string): WebSocket | undefined {
    const spare = this.#open.shift();
    if (!spare) return undefined;
    const { socket, endKeepAlive } = spare;
    endKeepAlive();
    this.#all.delete(socket);
    holdFrames(socket);
    socket.send(JSON.stringify({ ticket } satisfies SpareClaim));
    this.#fill();
    return socket;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  #drop(): void {
    const all = [...this.#all];
    this.#all.clear();
    this.#open.length = 0;
    for (const socket of all) socket.terminate();
  }

  #fill(): void {
    clearTimeout(this.#retry);
    while (!this.#isStopped && this.#all.size < SPARES_PER_AGENT) this.#dial();
  }

  #dial(): void {
    const { url, dial, log } = this.#options;
    const socket = dialTunnel(url, dial);
    this.#all.add(socket);
    socket.on('error', (error) => log.debug({ reason: error.message }, 'a spare tunnel failed'));
    socket.once('open', () => {
      this.#open.push({ socket, endKeepAlive: keepAlive(socket, KEEPALIVE_MS, () => socket.terminate()) });
    });
    socket.once('close', () => this.#forget(socket));
  }

  #forget(socket: WebSocket): void {
    // One that was taken is its taker's.
    if (!this.#all.delete(socket)) return;
    const at = this.#open.findIndex((spare) => spare.socket === socket);
    if (at >= 0) this.#open.splice(at, 1);
    clearTimeout(this.#retry);
    if (!this.#isStopped) this.#retry = setTimeout(() => this.#fill(), RETRY_MS);
  }
}
