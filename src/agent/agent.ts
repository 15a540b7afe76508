import { randomUUID } from 'node:crypto';
import { freemem, hostname, loadavg } from 'node:os';
import type { Logger } from 'pino';
import { GatewayError } from '../errors.ts';
import { NekoClient } from '../neko/client.ts';
import { PROTOCOL_VERSION, type Hello } from '../protocol/control.ts';
import { CommandRunner, type SendToGateway } from './commands.ts';
import { ControlConnection } from './connection.ts';
import type { Runtime } from './runtimes/runtime.ts';
import { SessionTable } from './sessions.ts';
import { Tunnels } from './tunnels.ts';

export interface AgentOptions {
  agentId: string;
  /** 64 hex digits, made by the gateway for this agent. */
  agentKey: string;
  /** The gateway's address, http: or https:. */
  gatewayUrl: string;
  version: string;
  maxSessions: number;
  streamer: 'neko' | 'embedded';
  log: Logger;
}

/** One host's agent: ends what an earlier one left behind, dials out to the gateway, runs sessions and their clients' logins. */
export class Agent {
  readonly #sessions: SessionTable;
  readonly #tunnels: Tunnels;
  readonly #connection: ControlConnection;
  readonly #welcome = Promise.withResolvers<void>();
  #stopping: Promise<void> | undefined;

  /** Resolves once leftovers are gone and the first dial is under way; an unreachable gateway is tried for ever. */
  static async start(runtime: Runtime, options: AgentOptions): Promise<Agent> {
    const ended = await runtime.recover();
    if (ended.length > 0) options.log.warn({ sessions: ended }, 'ended what an earlier agent left running');
    return new Agent(runtime, options);
  }

  constructor(runtime: Runtime, options: AgentOptions) {
    const { log } = options;
    const send: SendToGateway = (type, payload) => this.#connection.send(type, payload);
    this.#sessions = new SessionTable(runtime, {
      maxSessions: options.maxSessions,
      log,
      onReport: (report) => {
        send('session.updated', report);
        if (report.state === 'stopping')
          void this.#tunnels.close(new GatewayError('SESSION_ENDED', 'the session was stopped'), report.sessionId);
        if (report.state === 'failed')
          void this.#tunnels.close(new GatewayError('SESSION_ENDED', 'the session failed'), report.sessionId);
      },
    });
    this.#tunnels = new Tunnels({
      url: webSocketUrl(options.gatewayUrl, '/api/v1/agents/tunnel'),
      agentKey: options.agentKey,
      log,
      nekoOf: (sessionId) => new NekoClient(this.#sessions.getRunning(sessionId).neko),
      send,
    });
    const commands = new CommandRunner(this.#sessions, send, log);
    const instanceId = randomUUID();
    this.#connection = new ControlConnection({
      url: webSocketUrl(options.gatewayUrl, `/api/v1/agents/connect?agent_id=${options.agentId}`),
      agentKey: options.agentKey,
      log,
      hello: (): Hello => ({
        protocol: PROTOCOL_VERSION,
        agentId: options.agentId,
        instanceId,
        version: options.version,
        hostname: hostname().slice(0, 256),
        capabilities: { runtimes: [runtime.name], streamer: options.streamer, maxSessions: options.maxSessions },
        sessions: this.#sessions.inventory(),
      }),
      heartbeat: () => ({ sessions: this.#sessions.count, load: loadavg()[0] ?? 0, freeMemory: freemem() }),
      handlers: {
        command: (message) => commands.run(message),
        'tunnel.open': (request) => this.#tunnels.open(request),
      },
      onWelcome: () => this.#welcome.resolve(),
    });
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
    await this.#tunnels.close(new GatewayError('SHUTTING_DOWN', 'the agent is shutting down'));
    await this.#sessions.stopAll();
    await this.#connection.stop();
  }
}

function webSocketUrl(gatewayUrl: string, path: string): string {
  const url = new URL(path, gatewayUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
