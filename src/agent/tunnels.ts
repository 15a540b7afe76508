import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { TunnelOpen } from '../protocol/control.ts';
import { SIGNALING_FRAME_MAX_BYTES, TUNNEL_DIAL_MS } from '../protocol/limits.ts';
import type { NekoLogins, Relay } from '../signaling/relay.ts';
import { openRelay } from '../signaling/relay.ts';
import type { SendToGateway } from './commands.ts';

/** Tunnels of one agent at once; more are refused with TOO_MANY_MESSAGES. */
const TUNNELS_MAX = 2000;

export interface TunnelOptions {
  /** The gateway's address for tunnels, ws: or wss:. */
  url: string;
  agentKey: string;
  log: Logger;
  /** Finds the neko of a running session. @throws GatewayError */
  nekoOf: (sessionId: string) => NekoLogins;
  send: SendToGateway;
}

/** The tunnels that the gateway asked for: each is dialled out to it and joined to a login at the session's neko. */
export class Tunnels {
  readonly #options: TunnelOptions;
  readonly #relays = new Map<string, { sessionId: string; relay: Promise<Relay | undefined> }>();
  #closed = false;

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  open(request: TunnelOpen): void {
    const { tunnelId, sessionId } = request;
    // A repeated request finds its tunnel there already.
    if (this.#relays.has(tunnelId)) return;
    const relay = this.#open(request).catch((thrown: unknown) => {
      const failure = toGatewayError(thrown);
      this.#options.log.warn({ err: failure, tunnelId, sessionId }, 'a tunnel did not open');
      this.#options.send('tunnel.refused', {
        tunnelId,
        error: { code: failure.code, message: failure.message.slice(0, 4096) },
      });
      return undefined;
    });
    this.#relays.set(tunnelId, { sessionId, relay });
    void relay.then((opened) => opened?.closed).finally(() => this.#relays.delete(tunnelId));
  }

  /** Ends the tunnels of one session, or all; resolves once their logins are gone. */
  async close(failure: GatewayError, sessionId?: string): Promise<void> {
    if (sessionId === undefined) this.#closed = true;
    const ending = [...this.#relays.values()].filter(
      (entry) => sessionId === undefined || entry.sessionId === sessionId,
    );
    await Promise.all(ending.map(async ({ relay }) => (await relay)?.close(failure)));
  }

  async #open({ tunnelId, ticket, sessionId, login }: TunnelOpen): Promise<Relay> {
    if (this.#closed) throw new GatewayError('SHUTTING_DOWN', 'the agent is shutting down');
    if (this.#relays.size >= TUNNELS_MAX)
      throw new GatewayError('TOO_MANY_MESSAGES', `this host has ${TUNNELS_MAX} tunnels open`);
    const neko = this.#options.nekoOf(sessionId);
    const client = await this.#dial(ticket);
    const log = this.#options.log.child({ tunnelId, sessionId, loginId: login.loginId });
    return openRelay(client, neko, { ...login, log });
  }

  async #dial(ticket: string): Promise<WebSocket> {
    const socket = new WebSocket(this.#options.url, {
      headers: { authorization: `Bearer ${ticket}`, 'x-agent-api-key': this.#options.agentKey },
      maxPayload: SIGNALING_FRAME_MAX_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: TUNNEL_DIAL_MS,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => {
        // The client's first frames may come with the handshake's answer: they wait until the login is there.
        socket.pause();
        resolve();
      });
      socket.once('error', (cause) => {
        reject(new GatewayError('TICKET_REFUSED', `the gateway did not take the tunnel: ${cause.message}`, { cause }));
      });
    });
    return socket;
  }
}
