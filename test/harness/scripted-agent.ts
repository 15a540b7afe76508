import { EventEmitter, once } from 'node:events';
import { WebSocket } from 'ws';
import {
  decodeFromGateway,
  encodeFromAgent,
  PROTOCOL_VERSION,
  type AgentPayloads,
  type Command,
  type GatewayPayloads,
  type Hello,
  type TunnelOpen,
} from '../../src/protocol/control.ts';
import type { Endpoint } from '../../src/protocol/ice.ts';
import type { Failure, SessionReport, SessionState } from '../../src/protocol/session.ts';
import type { Closed } from './socket-pair.ts';

export interface ScriptedAgentOptions {
  gatewayUrl: string;
  agentId: string;
  agentKey: string;
  /** Replaces parts of an honest hello. */
  hello?: Partial<Hello>;
  sessions?: SessionReport[];
  /** `done` reports and answers as an honest agent does, a failure is reported, `silent` never answers. */
  onCommand?: (command: GatewayPayloads['command']) => 'done' | 'silent' | Failure;
  /** `dial` dials back at once; `wait` leaves it to the test. */
  onTunnel?: 'dial' | 'wait';
}

/** One end of a signaling connection, with every text frame that came. */
export interface Wire {
  socket: WebSocket;
  frames: string[];
  /** Every binary frame. */
  datagrams: Buffer[];
  closed: Promise<Closed>;
  /** The frame that comes next, or came and was not asked for yet. */
  next(): Promise<string>;
}

/** What the gateway asks for, for one login. */
type LoginTunnel = Extract<TunnelOpen, { login: unknown }>;
type MediaTunnel = Extract<TunnelOpen, { kind: 'media' }>;

interface Tunnel extends Wire {
  request: LoginTunnel;
}

/** What an honest agent reports of each command that it follows. */
const STATES_OF: Record<Command['action'], SessionState[]> = {
  start_session: ['starting', 'running'],
  wake_session: ['starting', 'running'],
  stop_session: ['stopped'],
  hibernate_session: ['hibernating', 'hibernated'],
  pause_session: ['paused'],
  resume_session: ['running'],
  end_logins: [],
  remove_home: [],
};

/** An agent without a host: speaks the protocol over real sockets, and breaks it where a test says so. */
export class ScriptedAgent extends EventEmitter {
  readonly control: WebSocket;
  readonly closed: Promise<Closed>;
  readonly commands: GatewayPayloads['command'][] = [];
  readonly tunnels: Tunnel[] = [];
  readonly #mediaRequests: MediaTunnel[] = [];
  /** Where the gateway takes media over TCP. */
  tcpMedia: readonly Endpoint[] = [];
  readonly #requests: LoginTunnel[] = [];
  readonly #vncRequests: GatewayPayloads['initialize_vnc_tunnel'][] = [];
  /** VNC tunnels that the gateway doesn't want any more. */
  readonly abandoned: GatewayPayloads['vnc_closed'][] = [];
  readonly #options: ScriptedAgentOptions;

  /** Resolves once the gateway said welcome. */
  static async connect(options: ScriptedAgentOptions): Promise<ScriptedAgent> {
    const agent = new ScriptedAgent(options);
    const welcome = once(agent, 'welcome');
    const lost = agent.closed.then(({ code, reason }) => {
      throw new Error(`closed ${code} ${reason} before welcome`);
    });
    lost.catch(() => undefined);
    await once(agent.control, 'open');
    agent.greet();
    await Promise.race([welcome, lost]);
    return agent;
  }

  /** Dials and says nothing yet. */
  constructor(options: ScriptedAgentOptions) {
    super();
    this.#options = options;
    this.control = new WebSocket(
      `${webSocketUrl(options.gatewayUrl)}/api/v1/agents/connect?agent_id=${options.agentId}`,
      { headers: { 'x-agent-api-key': options.agentKey } },
    );
    this.control.on('error', () => undefined);
    this.closed = closingOf(this.control);
    this.control.on('message', (bytes: Buffer) => this.#receive(bytes.toString('utf8')));
  }

  get agentId(): string {
    return this.#options.agentId;
  }

  get agentKey(): string {
    return this.#options.agentKey;
  }

  greet(): void {
    this.send('hello', {
      protocol: PROTOCOL_VERSION,
      agentId: this.#options.agentId,
      instanceId: crypto.randomUUID(),
      version: '0.0.0',
      hostname: 'nowhere',
      capabilities: { runtimes: ['scripted'], streamer: 'embedded', maxSessions: 4 },
      sessions: this.#options.sessions ?? [],
      logins: [],
      ...this.#options.hello,
    });
  }

  send<T extends keyof AgentPayloads>(type: T, payload: AgentPayloads[T]): void {
    this.control.send(encodeFromAgent(type, payload));
  }

  report(report: SessionReport): void {
    this.send('session.updated', report);
  }

  heartbeat(vncTunnels = 0): void {
    this.send('heartbeat', { sessions: 0, load: 0, freeMemory: 1, vncTunnels });
  }

  /** The command that comes next, or came and was not asked for yet. */
  async nextCommand(): Promise<GatewayPayloads['command']> {
    for (;;) {
      const command = this.commands.shift();
      if (command) return command;
      await once(this, 'command');
    }
  }

  /** The next request for a tunnel, with `onTunnel: 'wait'`. */
  async nextRequest(): Promise<LoginTunnel> {
    for (;;) {
      const request = this.#requests.shift();
      if (request) return request;
      await once(this, 'request');
    }
  }

  /** The next request for a tunnel of media, which the test dials. */
  async nextMediaRequest(): Promise<MediaTunnel> {
    for (;;) {
      const request = this.#mediaRequests.shift();
      if (request) return request;
      await once(this, 'media');
    }
  }

  /** The next request for a VNC tunnel; dialling it is the test's. */
  async nextVncRequest(): Promise<GatewayPayloads['initialize_vnc_tunnel']> {
    for (;;) {
      const request = this.#vncRequests.shift();
      if (request) return request;
      await once(this, 'vnc-request');
    }
  }

  /** The next tunnel that was dialled and taken. */
  async nextTunnel(): Promise<Tunnel> {
    for (;;) {
      const tunnel = this.tunnels.shift();
      if (tunnel) return tunnel;
      await once(this, 'tunnel');
    }
  }

  /** Dials back; resolves with the open tunnel, or the HTTP status of the refusal. `follow` is called before any frame can come. */
  async dial(
    ticket: string,
    agentKey = this.#options.agentKey,
    follow: (socket: WebSocket) => void = () => undefined,
  ): Promise<Wire | number> {
    const socket = new WebSocket(`${webSocketUrl(this.#options.gatewayUrl)}/api/v1/agents/tunnel`, {
      headers: { authorization: `Bearer ${ticket}`, 'x-agent-api-key': agentKey },
    });
    socket.on('error', () => undefined);
    // Listens from the start: frames may come with the handshake's answer.
    const wire = recordFrames(socket);
    follow(socket);
    const refused = once(socket, 'unexpected-response').then(([request, response]) => {
      request.destroy();
      return Number(response.statusCode);
    });
    const opened = once(socket, 'open').then(() => wire);
    // The one that doesn't happen may fail when the socket ends.
    opened.catch(() => undefined);
    refused.catch(() => undefined);
    return Promise.race([opened, refused]);
  }

  /** The network between agent and gateway breaks: no close frame. */
  drop(): void {
    this.control.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.tunnels) socket.terminate();
    this.control.terminate();
    if (this.control.readyState !== WebSocket.CLOSED) await this.closed;
  }

  #receive(text: string): void {
    const message = decodeFromGateway(text);
    switch (message.type) {
      case 'welcome':
        this.tcpMedia = message.payload.tcpMedia;
        this.emit('welcome');
        break;
      case 'command':
        this.#command(message.payload);
        break;
      case 'tunnel.open':
        void this.#tunnel(message.payload);
        break;
      case 'initialize_vnc_tunnel':
        this.#vncRequests.push(message.payload);
        this.emit('vnc-request');
        break;
      case 'vnc_closed':
        this.abandoned.push(message.payload);
        this.emit('abandoned');
        break;
    }
  }

  #command(message: GatewayPayloads['command']): void {
    const { commandId, command } = message;
    this.commands.push(message);
    this.emit('command');
    const answer = this.#options.onCommand?.(message) ?? 'done';
    if (answer === 'silent') return;
    this.send('ack', { commandId });
    if (!('sessionId' in command)) {
      this.send('result', { commandId, ...(typeof answer === 'object' && { error: answer }) });
      return;
    }
    const { sessionId } = command;
    if (typeof answer === 'object') {
      this.report({ sessionId, state: 'failed', reason: answer, logTail: ['its last words'] });
      this.send('result', { commandId, error: answer });
      return;
    }
    for (const state of STATES_OF[command.action])
      this.report({ sessionId, state, ...(state === 'running' && { streamer: 'embedded' }) });
    this.send('result', { commandId });
  }

  async #tunnel(request: TunnelOpen): Promise<void> {
    if (request.kind === 'preflight' || request.kind === 'tools') throw new Error('this agent has no host to look at');
    if (request.kind === 'media') {
      this.#mediaRequests.push(request);
      this.emit('media');
      return;
    }
    if (this.#options.onTunnel === 'wait') {
      this.#requests.push(request);
      this.emit('request');
      return;
    }
    const wire = await this.dial(request.ticket);
    if (typeof wire === 'number') throw new Error(`the gateway refused the tunnel with ${wire}`);
    this.tunnels.push({ ...wire, request });
    this.emit('tunnel');
  }
}

export function webSocketUrl(url: string): string {
  return url.replace(/^http/, 'ws');
}

/** Resolves when the socket is gone, also after an error of it. */
export function closingOf(socket: WebSocket): Promise<Closed> {
  return new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
  });
}

export function recordFrames(socket: WebSocket): Wire {
  const frames: string[] = [];
  let taken = 0;
  const datagrams: Buffer[] = [];
  socket.on('message', (bytes: Buffer, isBinary) => {
    if (isBinary) datagrams.push(bytes);
    else frames.push(bytes.toString('utf8'));
  });
  return {
    socket,
    frames,
    datagrams,
    closed: closingOf(socket),
    async next() {
      while (frames.length <= taken) await once(socket, 'message');
      taken += 1;
      return frames[taken - 1] ?? '';
    },
  };
}
