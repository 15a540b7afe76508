import { randomUUID } from 'node:crypto';
import { freemem, hostname, loadavg } from 'node:os';
import type { Logger } from 'pino';
import { GatewayError } from '../errors.ts';
import { PROTOCOL_VERSION, type Hello } from '../protocol/control.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../protocol/limits.ts';
import { LOGIN_GRACE_MS } from '../protocol/login.ts';
import type { SessionReport } from '../protocol/session.ts';
import { CommandRunner, type SendToGateway } from './commands.ts';
import { ControlConnection, type ConnectionOptions } from './connection.ts';
import { loginHostOf } from './login-host.ts';
import { LoginTable } from './logins.ts';
import { MediaDesk, type Reach } from './media.ts';
import type { RunningSession, Runtime } from './runtimes/runtime.ts';
import { SessionTable } from './sessions.ts';
import { Spares } from './spares.ts';
import { Tunnels } from './tunnels.ts';
import { VncTunnels } from './vnc/tunnels.ts';

export interface AgentOptions {
  agentId: string;
  /** 64 hex digits, made by the gateway for this agent. */
  agentKey: string;
  /** The gateway's address, http: or https:. */
  gatewayUrl: string;
  version: string;
  maxSessions: number;
  streamer: 'neko' | 'embedded';
  /** How long a login waits for a client that was lost. */
  loginGraceMs?: number;
  /** How viewers reach this host. */
  reach: Reach;
  log: Logger;
}

/** One host's agent: takes over what an earlier one left running, dials out to the gateway, runs sessions and their clients' logins. */
export class Agent {
  readonly #runtime: Runtime;
  readonly #sessions: SessionTable;
  readonly #logins: LoginTable;
  readonly #media: MediaDesk;
  /** Sessions that were found paused: a frozen neko knows no logins, so theirs are taken up once it goes on. */
  readonly #frozen = new Map<string, RunningSession>();
  readonly #tunnels: Tunnels;
  readonly #spares: Spares;
  readonly #vnc: VncTunnels;
  readonly #connectionOptions: ConnectionOptions;
  readonly #welcome = Promise.withResolvers<void>();
  #connection: ControlConnection | undefined;
  #stopping: Promise<void> | undefined;

  /** Resolves once what was left running is taken over or gone, and the first dial is under way; an unreachable gateway is tried for ever. */
  static async start(runtime: Runtime, options: AgentOptions): Promise<Agent> {
    const agent = new Agent(runtime, options);
    await agent.#adopt(await runtime.recover());
    agent.#connection = new ControlConnection(agent.#connectionOptions);
    return agent;
  }

  private constructor(runtime: Runtime, options: AgentOptions) {
    const { log } = options;
    this.#runtime = runtime;
    const send: SendToGateway = (type, payload) => this.#connection?.send(type, payload);
    this.#sessions = new SessionTable(runtime, {
      maxSessions: options.maxSessions,
      log,
      onReport: (report) => {
        send('session.updated', report);
        this.#followSession(report);
      },
    });
    this.#media = new MediaDesk({
      ...options.reach,
      mediaOf: (sessionId) => this.#sessions.findMedia(sessionId),
      send,
    });
    this.#logins = new LoginTable({
      graceMs: options.loginGraceMs ?? LOGIN_GRACE_MS,
      hostOf: (sessionId) => loginHostOf(this.#sessions.getRunning(sessionId)),
      onReport: (report) => send('login.updated', report),
      media: this.#media,
      log,
    });
    this.#vnc = new VncTunnels({
      serverOf: (sessionId) => this.#sessions.getRunning(sessionId).vnc,
      send,
      log,
    });
    this.#spares = new Spares({
      url: webSocketUrl(options.gatewayUrl, `/api/v1/agents/spare?agent_id=${options.agentId}`),
      dial: { headers: { 'x-agent-api-key': options.agentKey }, maxPayload: SIGNALING_FRAME_MAX_BYTES },
      log,
    });
    this.#tunnels = new Tunnels({
      url: webSocketUrl(options.gatewayUrl, '/api/v1/agents/tunnel'),
      agentKey: options.agentKey,
      log,
      logins: this.#logins,
      media: this.#media,
      spares: this.#spares,
      preflight: () => ({ ...options.reach, tcp: this.#media.tcpMedia, udpPorts: runtime.udpPorts }),
      vnc: this.#vnc,
      toolsOf: (sessionId) => this.#sessions.getRunning(sessionId).tools,
      send,
    });
    const commands = new CommandRunner({ sessions: this.#sessions, logins: this.#logins, homes: runtime }, send, log);
    const instanceId = randomUUID();
    this.#connectionOptions = {
      url: webSocketUrl(options.gatewayUrl, `/api/v1/agents/connect?agent_id=${options.agentId}`),
      agentKey: options.agentKey,
      log,
      hello: (): Hello => ({
        protocol: PROTOCOL_VERSION,
        agentId: options.agentId,
        instanceId,
        version: options.version,
        hostname: hostname().slice(0, 256),
        capabilities: {
          runtimes: [runtime.name],
          streamer: options.streamer,
          maxSessions: options.maxSessions,
          ...(runtime.mountRoots && { mountRoots: [...runtime.mountRoots] }),
        },
        sessions: this.#sessions.inventory(),
        logins: this.#logins.listDetached(),
      }),
      heartbeat: () => ({
        sessions: this.#sessions.count,
        load: loadavg()[0] ?? 0,
        freeMemory: freemem(),
        vncTunnels: this.#vnc.count,
        ...(runtime.freeSlots !== undefined && { freeSlots: runtime.freeSlots }),
      }),
      handlers: {
        command: (message) => commands.run(message),
        'tunnel.open': (request) => this.#tunnels.open(request),
        initialize_vnc_tunnel: (request) => this.#tunnels.open({ kind: 'vnc', ...request }),
        vnc_closed: ({ tunnelId }) =>
          this.#vnc.close(tunnelId, new GatewayError('CLIENT_SILENT', 'nobody waits for this tunnel any more')),
      },
      onWelcome: ({ tcpMedia }) => {
        this.#media.greeted(tcpMedia);
        this.#spares.renew();
        this.#welcome.resolve();
      },
    };
  }

  /** Resolves at the first welcome of a gateway. */
  get connected(): Promise<void> {
    return this.#welcome.promise;
  }

  /** Ends every login and session on this host, then the connection. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const failure = new GatewayError('SHUTTING_DOWN', 'the agent is shutting down');
    await Promise.all([this.#logins.stop(failure), this.#vnc.stop(failure)]);
    await this.#tunnels.settled();
    this.#spares.stop();
    await this.#sessions.stopAll();
    await this.#runtime.close?.();
    await this.#connection?.stop();
  }

  async #adopt(sessions: RunningSession[]): Promise<void> {
    for (const session of sessions) this.#sessions.adopt(session);
    for (const session of sessions) if (session.health.state === 'paused') this.#frozen.set(session.sessionId, session);
    const awake = sessions.filter(({ sessionId }) => !this.#frozen.has(sessionId));
    await Promise.all(awake.map((session) => this.#logins.adopt(session.sessionId, loginHostOf(session))));
  }

  #followSession({ sessionId, state }: SessionReport): void {
    switch (state) {
      case 'paused':
        this.#logins.setPaused(sessionId, true);
        break;
      case 'running':
        this.#logins.setPaused(sessionId, false);
        this.#thaw(sessionId);
        break;
      case 'stopping':
        this.#endLogins(sessionId, new GatewayError('SESSION_ENDED', 'the session was stopped'));
        break;
      case 'failed':
        this.#endLogins(sessionId, new GatewayError('SESSION_ENDED', 'the session failed'));
        break;
      case 'hibernating':
        this.#endLogins(sessionId, new GatewayError('SESSION_HIBERNATED', 'the session was hibernated'));
        break;
      case 'pending':
      case 'starting':
      case 'warm':
      case 'hibernated':
      case 'stopped':
        break;
    }
  }

  #thaw(sessionId: string): void {
    const session = this.#frozen.get(sessionId);
    this.#frozen.delete(sessionId);
    if (session) void this.#logins.adopt(sessionId, loginHostOf(session));
  }

  #endLogins(sessionId: string, failure: GatewayError): void {
    this.#frozen.delete(sessionId);
    void this.#logins.endSession(sessionId, failure);
    this.#vnc.endSession(sessionId, failure);
  }
}

function webSocketUrl(gatewayUrl: string, path: string): string {
  const url = new URL(path, gatewayUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
