import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import type { VncTunnelOpen } from '../../protocol/control.ts';
import type { Failure } from '../../protocol/session.ts';
import type { ClientSocket } from '../../signaling/relay.ts';
import type { SendToGateway } from '../commands.ts';
import { joinVnc } from './joint.ts';
import { enterVncServer, type VncAddress } from './server.ts';

/** VNC tunnels of one agent at once; more are refused with LOGIN_LIMIT. */
const TUNNELS_MAX = 2000;

export interface VncTunnelsOptions {
  /** Where a running session's VNC server is; undefined where it has none. @throws GatewayError SESSION_NOT_FOUND | SESSION_NOT_RUNNING */
  serverOf: (sessionId: string) => VncAddress | undefined;
  send: SendToGateway;
  log: Logger;
  /** Time that a VNC server has for its handshake. */
  serverMs?: number;
  /** Time that either end may leave all that waits for it. */
  stallMs?: number;
}

interface Tunnel {
  sessionId: string;
  abort: AbortController;
  /** Resolves once nothing of it is left. */
  done: Promise<void>;
}

/** The VNC tunnels of this host, each with a connection of its own to its session's VNC server; owns them. */
export class VncTunnels {
  readonly #options: VncTunnelsOptions;
  readonly #tunnels = new Map<string, Tunnel>();
  #stopped = false;

  constructor(options: VncTunnelsOptions) {
    this.#options = options;
  }

  /**
   * Enters the VNC server, then has the tunnel dialled; resolves once the two are joined.
   * @throws GatewayError VNC_NOT_AVAILABLE | VNC_FAILED | LOGIN_LIMIT | SHUTTING_DOWN, or why it was ended meanwhile
   */
  async open({ tunnelId, sessionId }: VncTunnelOpen, dial: () => Promise<ClientSocket>): Promise<void> {
    const { serverOf, send, serverMs, stallMs } = this.#options;
    if (this.#stopped) throw new GatewayError('SHUTTING_DOWN', 'the agent is shutting down');
    if (this.#tunnels.size >= TUNNELS_MAX)
      throw new GatewayError('LOGIN_LIMIT', `this host has ${TUNNELS_MAX} VNC tunnels, as many as it may`);
    const address = serverOf(sessionId);
    if (!address)
      throw new GatewayError('VNC_NOT_AVAILABLE', `session ${sessionId} has no VNC server: its image brings none`);
    const abort = new AbortController();
    const done = Promise.withResolvers<void>();
    this.#tunnels.set(tunnelId, { sessionId, abort, done: done.promise });
    const finish = (): void => {
      this.#tunnels.delete(tunnelId);
      done.resolve();
    };
    try {
      const server = await enterVncServer(address, abort.signal, { withinMs: serverMs });
      try {
        send('vnc_ready', { tunnelId, sessionId });
        const client = await dial();
        void joinVnc(client, server, abort.signal, { stallMs }).then((reason) => {
          this.#report(tunnelId, sessionId, reason);
          finish();
        });
      } catch (thrown) {
        server.destroy();
        throw thrown;
      }
    } catch (thrown) {
      finish();
      throw thrown;
    }
  }

  /** Those that are being opened, too. */
  get count(): number {
    return this.#tunnels.size;
  }

  /** No effect on one that is gone. */
  close(tunnelId: string, failure: GatewayError): void {
    this.#tunnels.get(tunnelId)?.abort.abort(failure);
  }

  endSession(sessionId: string, failure: GatewayError): void {
    for (const tunnel of this.#tunnels.values()) if (tunnel.sessionId === sessionId) tunnel.abort.abort(failure);
  }

  /** Ends all of them and takes no more; resolves once nothing of them is left. Idempotent. */
  async stop(failure: GatewayError): Promise<void> {
    this.#stopped = true;
    const tunnels = [...this.#tunnels.values()];
    for (const { abort } of tunnels) abort.abort(failure);
    await Promise.all(tunnels.map(({ done }) => done));
  }

  #report(tunnelId: string, sessionId: string, reason: Failure): void {
    const { send, log } = this.#options;
    log.debug({ tunnelId, sessionId, reason }, 'a VNC tunnel is over');
    send('vnc_closed', { tunnelId, sessionId, reason });
  }
}
