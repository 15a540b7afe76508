import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { GatewayError, isFailureCode, toGatewayError, type FailureCode } from '../../errors.ts';
import {
  decodeFromAgent,
  dispatch,
  encodeFromGateway,
  PROTOCOL_VERSION,
  type Command,
  type FromAgent,
  type GatewayPayloads,
  type Handlers,
  type Hello,
  type TunnelRequest,
} from '../../protocol/control.ts';
import type { Endpoint, MediaOffer, Rung } from '../../protocol/ice.ts';
import type { LoginReport } from '../../protocol/login.ts';
import type { Failure, SessionReport } from '../../protocol/session.ts';
import { closeWith } from '../../websocket/closing.ts';
import { textOf } from '../../websocket/frames.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';
import type { AgentRow } from '../store/tables.ts';
import { PendingCommands, type CommandOptions } from './pending-commands.ts';
import { SerialQueue } from './serial-queue.ts';

/** Time from the upgrade to the hello. */
const HELLO_MS = 5000;
/** Missed heartbeats after which an agent is called degraded, and after which its connection is taken for lost. */
const DEGRADED_AFTER = 2;
const OFFLINE_AFTER = 3;
/** Bytes that may wait for an agent that does not read; more ends its connection, and the next hello tells the truth anew. */
const QUEUE_MAX_BYTES = 8 * 1024 * 1024;

/** What an agent says unasked. */
export interface AgentListener {
  /** Reports of one connection come one after the other. */
  sessionReported(connection: AgentConnection, report: SessionReport): Promise<void>;
  loginReported(agentId: string, report: LoginReport): void;
  tunnelRefused(tunnelId: string, failure: GatewayError): void;
  mediaOffered(connection: AgentConnection, offer: MediaOffer): void;
  mediaUsed(connection: AgentConnection, used: { loginId: string; rung: Rung }): void;
  mediaWithdrawn(connection: AgentConnection, loginId: string): void;
  /** The agent has what the tunnel leads to, and dials next. */
  tunnelReady(tunnelId: string): void;
}

export interface AgentConnectionOptions {
  heartbeatMs: number;
  keepAliveMs: number;
  listener: AgentListener;
  /** Where this gateway takes viewers' media over TCP. */
  tcpMedia: () => readonly Endpoint[];
  log: Logger;
}

/** One agent's control WebSocket, from its upgrade to its end: greeting → live → closed, never back. */
export class AgentConnection {
  readonly agent: AgentRow;
  /** Resolves with the agent's first frame; rejects when the connection ends before a right one came. */
  readonly hello: Promise<Hello>;
  /** Aborted, with the GatewayError why, when it ends. */
  readonly signal: AbortSignal;
  readonly #socket: WebSocket;
  readonly #options: AgentConnectionOptions;
  readonly #ended = new AbortController();
  readonly #hello = Promise.withResolvers<Hello>();
  readonly #commands: PendingCommands;
  readonly #reports = new SerialQueue();
  readonly #helloTimer: NodeJS.Timeout;
  #state: 'greeting' | 'helloed' | 'live' | 'closed' = 'greeting';
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #heartbeatAt = performance.now();
  #freeSlots: number | undefined;
  #vncTunnels = 0;

  constructor(socket: WebSocket, agent: AgentRow, options: AgentConnectionOptions) {
    this.agent = agent;
    this.#socket = socket;
    this.#options = options;
    this.#commands = new PendingCommands(agent.id);
    this.signal = this.#ended.signal;
    this.hello = this.#hello.promise;
    // Who doesn't wait for the hello must not make its failure an unhandled one.
    this.hello.catch(() => undefined);
    this.#helloTimer = setTimeout(
      () => this.close('BAD_FRAME', `agent ${agent.id} sent no hello within ${HELLO_MS} ms`),
      HELLO_MS,
    );
    socket.on('message', (bytes, isBinary) => this.#receive(textOf(bytes), isBinary));
    socket.on('error', (error) =>
      options.log.warn({ agentId: agent.id, reason: error.message }, 'control socket failed'),
    );
    socket.once('close', (code) =>
      this.#end(new GatewayError('AGENT_OFFLINE', `agent ${agent.id} is gone (close code ${code})`)),
    );
    keepAlive(socket, options.keepAliveMs, () => this.close('CLIENT_SILENT', `agent ${agent.id} answers no pings`));
  }

  /** Whether commands and tunnels can be asked of it. */
  get live(): boolean {
    return this.#state === 'live';
  }

  get health(): 'online' | 'degraded' | 'offline' {
    if (!this.live) return 'offline';
    const { heartbeatMs } = this.#options;
    return performance.now() - this.#heartbeatAt > DEGRADED_AFTER * heartbeatMs ? 'degraded' : 'online';
  }

  /** Sessions that its host still has ports for; undefined where it doesn't say. */
  get freeSlots(): number | undefined {
    return this.#freeSlots;
  }

  /** As of its last heartbeat. */
  get vncTunnels(): number {
    return this.#vncTunnels;
  }

  /** Starts the live time: from here on commands may be sent. No effect when it ended meanwhile. */
  welcome(): void {
    if (this.#state !== 'helloed') return;
    this.#state = 'live';
    const { heartbeatMs, tcpMedia } = this.#options;
    this.#heartbeatAt = performance.now();
    this.#heartbeatTimer = setInterval(() => {
      if (performance.now() - this.#heartbeatAt > OFFLINE_AFTER * heartbeatMs)
        this.close('CLIENT_SILENT', `agent ${this.agent.id} sent no heartbeat for ${OFFLINE_AFTER * heartbeatMs} ms`);
    }, heartbeatMs);
    this.#send('welcome', { protocol: PROTOCOL_VERSION, heartbeatMs, tcpMedia: [...tcpMedia()] });
  }

  /**
   * Resolves when the agent says that it is done.
   * @throws GatewayError what the agent says, COMMAND_TIMEOUT, TOO_MANY_REQUESTS, or AGENT_OFFLINE: then it is unknown
   * whether the agent goes on with it, and its next inventory tells.
   */
  async run(command: Command, options: CommandOptions): Promise<void> {
    this.#assertLive();
    return this.#commands.run(command, options, (message) => this.#send('command', message));
  }

  /** @throws GatewayError AGENT_OFFLINE */
  askTunnel(request: TunnelRequest): void {
    this.#assertLive();
    if (request.kind === 'vnc') {
      const { tunnelId, ticket, sessionId } = request;
      this.#send('initialize_vnc_tunnel', { tunnelId, ticket, sessionId });
    } else this.#send('tunnel.open', request);
  }

  /** Spares the agent a VNC tunnel that nobody waits for any more. */
  abandonVncTunnel(closed: GatewayPayloads['vnc_closed']): void {
    if (this.live) this.#send('vnc_closed', closed);
  }

  /** Resolves once every report that came so far is in the store. */
  drained(): Promise<void> {
    return this.#reports.idle();
  }

  /** Ends it at once for everybody here; the agent is told why. Idempotent. */
  close(code: FailureCode, message: string): void {
    this.#end(new GatewayError(code, message));
    closeWith(this.#socket, code);
  }

  /** Resolves when the socket is gone too. */
  async closed(): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
    });
  }

  #receive(text: string, isBinary: boolean): void {
    if (this.#state === 'closed') return;
    let message: FromAgent;
    try {
      if (isBinary) throw new GatewayError('BAD_FRAME', 'control frames are text');
      message = decodeFromAgent(text);
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      this.#options.log.warn(
        { agentId: this.agent.id, code: failure.code, reason: failure.message },
        'a control frame was not understood',
      );
      // A newer agent may say things that this gateway doesn't know yet.
      if (failure.code !== 'UNKNOWN_EVENT') this.close(failure.code, failure.message);
      return;
    }
    if ((message.type === 'hello') !== (this.#state === 'greeting')) {
      this.close('BAD_FRAME', `agent ${this.agent.id} sent ${message.type} out of turn; hello comes first, and once`);
      return;
    }
    dispatch<FromAgent>(this.#handlers, message);
  }

  readonly #handlers: Handlers<FromAgent> = {
    hello: (hello) => this.#greet(hello),
    heartbeat: ({ freeSlots, vncTunnels }) => {
      this.#heartbeatAt = performance.now();
      this.#freeSlots = freeSlots;
      this.#vncTunnels = vncTunnels;
    },
    ack: () => undefined,
    progress: ({ commandId, message, isWaiting }) => this.#commands.progressed(commandId, message, isWaiting ?? false),
    result: ({ commandId, error }) => this.#commands.finished(commandId, error && failureFromAgent(error)),
    'session.updated': (report) => {
      const queued = this.#reports.add(
        () => this.#options.listener.sessionReported(this, report),
        (error) =>
          this.#options.log.error({ err: error, sessionId: report.sessionId }, "an agent's report was not stored"),
      );
      if (!queued) this.close('TOO_MANY_MESSAGES', `agent ${this.agent.id} reports faster than the store takes it`);
    },
    'login.updated': (report) => this.#options.listener.loginReported(this.agent.id, report),
    'media.offered': (offer) => this.#options.listener.mediaOffered(this, offer),
    'media.used': (used) => this.#options.listener.mediaUsed(this, used),
    'media.withdrawn': ({ loginId }) => this.#options.listener.mediaWithdrawn(this, loginId),
    vnc_ready: ({ tunnelId }) => this.#options.listener.tunnelReady(tunnelId),
    // One that was dialled ends by its own WebSocket.
    vnc_closed: ({ tunnelId, reason }) => this.#options.listener.tunnelRefused(tunnelId, failureFromAgent(reason)),
    'tunnel.refused': ({ tunnelId, error }) => this.#options.listener.tunnelRefused(tunnelId, failureFromAgent(error)),
  };

  #greet(hello: Hello): void {
    if (hello.protocol !== PROTOCOL_VERSION) {
      this.close(
        'AGENT_VERSION',
        `agent ${this.agent.id} speaks protocol ${hello.protocol}, this gateway ${PROTOCOL_VERSION}`,
      );
      return;
    }
    if (hello.agentId !== this.agent.id) {
      this.close('FORBIDDEN', `the key is agent ${this.agent.id}'s, but the hello says ${hello.agentId}`);
      return;
    }
    clearTimeout(this.#helloTimer);
    this.#state = 'helloed';
    this.#hello.resolve(hello);
  }

  #send<T extends keyof GatewayPayloads>(type: T, payload: GatewayPayloads[T]): void {
    if (this.#socket.bufferedAmount > QUEUE_MAX_BYTES) {
      this.close('CLIENT_SLOW', `agent ${this.agent.id} does not read its control socket`);
      return;
    }
    this.#socket.send(encodeFromGateway(type, payload));
  }

  #assertLive(): void {
    if (!this.live) throw new GatewayError('AGENT_OFFLINE', `agent ${this.agent.id} is not connected`);
  }

  #end(failure: GatewayError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#helloTimer);
    clearInterval(this.#heartbeatTimer);
    this.#options.log.info(
      { agentId: this.agent.id, code: failure.code, reason: failure.message },
      'agent disconnected',
    );
    this.#hello.reject(failure);
    this.#ended.abort(failure);
    this.#commands.fail(
      new GatewayError('AGENT_OFFLINE', `agent ${this.agent.id} was lost while it worked`, { cause: failure }),
    );
  }
}

/** A newer agent may name a code that this gateway doesn't have. */
function failureFromAgent({ code, message }: Failure): GatewayError {
  return isFailureCode(code) ? new GatewayError(code, message) : new GatewayError('INTERNAL', `${code}: ${message}`);
}
