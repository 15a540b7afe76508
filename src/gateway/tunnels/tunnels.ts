import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { TunnelOrder } from '../../protocol/control.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../../protocol/limits.ts';
import { authenticateAgent, type ConnectDoorDeps } from '../agents/connect-door.ts';
import type { AgentConnection } from '../agents/connection.ts';
import { SPARES_MAX_PER_AGENT, SpareClaim } from '../../protocol/spare.ts';
import { closeWith } from '../../websocket/closing.ts';
import { textOf } from '../../websocket/frames.ts';
import { holdFrames } from '../../websocket/hold.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';
import { bearerOf } from '../auth.ts';
import type { Metrics } from '../metrics.ts';
import { hashSecret, newHexSecret } from '../secrets.ts';
import { createWebSocketServer, type Door } from '../upgrade.ts';

export interface TunnelsOptions {
  dialMs: number;
  keepAliveMs: number;
  metrics: Metrics;
}

interface Ticket {
  tunnelId: string;
  agentId: string;
  /** Whether the agent said that only its dial is missing. */
  isReady: boolean;
  /** Takes the tunnel; false when nobody waits for it any more. */
  resolve: (socket: WebSocket) => boolean;
  reject: (failure: GatewayError) => void;
}

/**
 * Tunnels that agents were asked for and have not dialled yet. A ticket is kept as its hash, opens one tunnel once, for the
 * one agent that was asked, within the dial time; whoever asks for them limits how many there are.
 */
export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #tickets = new Map<string, Ticket>();
  /** By agent. */
  readonly #spares = new Map<string, Set<WebSocket>>();

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the agent's WebSocket, paused, which is the caller's then.
   * @throws GatewayError AGENT_OFFLINE | TUNNEL_TIMEOUT | what the agent says; the signal's reason when it is aborted.
   */
  async open(connection: AgentConnection, order: TunnelOrder, signal: AbortSignal): Promise<WebSocket> {
    const { dialMs, metrics } = this.#options;
    const ticket = newHexSecret();
    const tunnelId = randomUUID();
    const agentId = connection.agent.id;
    const dialled = Promise.withResolvers<WebSocket>();
    let waiting = true;
    const resolve = (socket: WebSocket): boolean => {
      if (!waiting) return false;
      waiting = false;
      dialled.resolve(socket);
      return true;
    };
    const reject = (failure: GatewayError): void => {
      waiting = false;
      dialled.reject(failure);
    };
    const waitingTicket: Ticket = { tunnelId, agentId, isReady: false, resolve, reject };
    const timer = setTimeout(() => {
      const how = waitingTicket.isReady ? ', though it was ready to' : '';
      reject(new GatewayError('TUNNEL_TIMEOUT', `agent ${agentId} did not dial back within ${dialMs} ms${how}`));
    }, dialMs);
    const onLost = (): void =>
      reject(new GatewayError('AGENT_OFFLINE', `agent ${agentId} was lost before it dialled back`));
    const onAbort = (): void => reject(new GatewayError('CLIENT_SILENT', 'the client was gone before its tunnel came'));
    const endTimer = metrics.tunnelDial.startTimer();
    this.#tickets.set(hashSecret(ticket), waitingTicket);
    connection.signal.addEventListener('abort', onLost);
    signal.addEventListener('abort', onAbort);
    try {
      if (signal.aborted) onAbort();
      else connection.askTunnel({ ...order, tunnelId, ticket });
      const socket = await dialled.promise;
      endTimer();
      return socket;
    } catch (thrown) {
      if (order.kind === 'vnc') {
        const { code, message } = toGatewayError(thrown);
        const { sessionId } = order;
        connection.abandonVncTunnel({ tunnelId, sessionId, reason: { code, message: message.slice(0, 4096) } });
      }
      throw thrown;
    } finally {
      clearTimeout(timer);
      this.#tickets.delete(hashSecret(ticket));
      connection.signal.removeEventListener('abort', onLost);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** The agent won't dial; no effect when it already has, or nobody waits. */
  refused(tunnelId: string, failure: GatewayError): void {
    for (const ticket of this.#tickets.values()) if (ticket.tunnelId === tunnelId) ticket.reject(failure);
  }

  ready(tunnelId: string): void {
    for (const ticket of this.#tickets.values()) if (ticket.tunnelId === tunnelId) ticket.isReady = true;
  }

  /**
   * Where agents keep sockets open for tunnels to come. A ticket in a spare's first frame makes it that tunnel; until then it says nothing,
   * and it ends with its agent's connection.
   */
  createSpareDoor(deps: Pick<ConnectDoorDeps, 'agents' | 'auth' | 'hub'>): Door {
    const server = createWebSocketServer({ maxPayload: SIGNALING_FRAME_MAX_BYTES });
    return {
      pattern: /^\/api\/v1\/agents\/spare$/,
      open: async (upgrade) => {
        const agentId = upgrade.url.searchParams.get('agent_id') ?? '';
        await authenticateAgent(deps, upgrade, agentId);
        const { connection } = deps.hub.get(agentId);
        const spares = this.#spares.get(agentId) ?? new Set();
        if (spares.size >= SPARES_MAX_PER_AGENT)
          throw new GatewayError('TOO_MANY_REQUESTS', `agent ${agentId} has ${spares.size} spare tunnels already`);
        this.#spares.set(agentId, spares);
        const socket = await upgrade.accept(server, { isShunted: true });
        spares.add(socket);
        const cut = (): void => socket.terminate();
        const endKeepAlive = keepAlive(socket, this.#options.keepAliveMs, cut);
        const forget = (): void => {
          endKeepAlive();
          connection.signal.removeEventListener('abort', cut);
          spares.delete(socket);
          if (spares.size === 0) this.#spares.delete(agentId);
        };
        connection.signal.addEventListener('abort', cut);
        if (connection.signal.aborted) cut();
        // Until its login takes it over, an error of it has no other listener.
        socket.on('error', () => undefined);
        socket.once('close', forget);
        socket.once('message', (frame) => {
          forget();
          holdFrames(socket);
          this.#claim(socket, agentId, textOf(frame));
        });
      },
    };
  }

  #claim(socket: WebSocket, agentId: string, frame: string): void {
    const hash = hashSecret(ticketIn(frame) ?? '');
    const ticket = this.#tickets.get(hash);
    // A ticket is its agent's alone.
    if (ticket?.agentId !== agentId) {
      socket.resume();
      closeWith(socket, 'TICKET_REFUSED');
      return;
    }
    this.#tickets.delete(hash);
    if (!ticket.resolve(socket)) socket.terminate();
  }

  /** Ends the spares; their agents' connections end by themselves. */
  stop(): void {
    for (const spares of this.#spares.values()) for (const socket of spares) socket.terminate();
  }

  /** Where agents dial back: the ticket as bearer, the agent's own key beside it, both checked before the upgrade. */
  createDoor(deps: Pick<ConnectDoorDeps, 'agents' | 'auth'>): Door {
    const server = createWebSocketServer({ maxPayload: SIGNALING_FRAME_MAX_BYTES });
    return {
      pattern: /^\/api\/v1\/agents\/tunnel$/,
      open: async (upgrade) => {
        const { address, requestId } = upgrade;
        const hash = hashSecret(bearerOf(upgrade.request.headers) ?? '');
        const refusal = (): GatewayError =>
          deps.auth.refuse(
            { sessionId: undefined, address, requestId },
            new GatewayError(
              'TICKET_REFUSED',
              'no tunnel is waited for under this ticket: it is wrong, used or too late',
            ),
          );
        const asked = this.#tickets.get(hash);
        if (!asked) throw refusal();
        await authenticateAgent(deps, upgrade, asked.agentId);
        // Taken in one step with the look whether it is still there: of two that come at once, one gets it.
        const ticket = this.#tickets.get(hash);
        if (!ticket) throw refusal();
        this.#tickets.delete(hash);
        const socket = await upgrade.accept(server, { isShunted: true }).catch((error: unknown) => {
          ticket.reject(new GatewayError('AGENT_OFFLINE', `agent ${ticket.agentId} broke off while it dialled back`));
          throw error;
        });
        socket.pause();
        // Until its login takes it over, an error of it has no other listener.
        socket.on('error', () => undefined);
        if (!ticket.resolve(socket)) socket.terminate();
      },
    };
  }
}

function ticketIn(frame: string): string | undefined {
  try {
    return SpareClaim.safeParse(JSON.parse(frame)).data?.ticket;
  } catch {
    return undefined;
  }
}
