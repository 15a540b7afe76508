import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { SessionState } from '../protocol/session.ts';

export interface Counted {
  agentsByState(): Promise<Record<'online' | 'degraded' | 'offline', number>>;
  sessionsByState(): Promise<Map<SessionState, number>>;
  pooled(): Promise<{ ready: number; starting: number }>;
  logins(): number;
  vncClients(): number;
  /** Sessions that connected agents still have ports for, in all. */
  freeSlots(): number;
}

/** What Prometheus sees. Labels are closed lists: never an id, an address or a path with one. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #agents = this.#gauge('nekogate_agents', 'Agents by state', ['state']);
  readonly #sessions = this.#gauge('nekogate_sessions', 'Sessions in the store by state', ['state']);
  readonly #pooled = this.#gauge('nekogate_pool_sessions', 'Sessions of pools: ready, or on their way', ['state']);
  readonly #logins = this.#gauge('nekogate_logins', 'Clients joined or joining now', []);
  readonly #vncClients = this.#gauge('nekogate_vnc_clients', 'Those of the clients that came by VNC', []);
  readonly #freeSlots = this.#gauge(
    'nekogate_free_port_slots',
    'Sessions that the hosts of connected agents still have ports for, as far as their runtimes know',
    [],
  );
  readonly joins = this.#counter(
    'nekogate_joins_total',
    'Attempts to join a session, by outcome (ok or a failure code)',
    ['outcome'],
  );
  readonly vncJoins = this.#counter(
    'nekogate_vnc_joins_total',
    "Attempts to join a session's VNC server, by outcome (ok or a failure code)",
    ['outcome'],
  );
  readonly vncBytes = this.#counter('nekogate_vnc_bytes_total', 'Bytes of VNC streams by direction', ['direction']);
  readonly claims = this.#counter(
    'nekogate_session_claims_total',
    'Sessions made by a template: taken from its pool (warm) or started (cold)',
    ['outcome'],
  );
  readonly poolStarts = this.#counter('nekogate_pool_starts_total', 'Starts of sessions for pools by outcome', [
    'outcome',
  ]);
  readonly expirations = this.#counter(
    'nekogate_session_expirations_total',
    'Sessions whose time was over, by why and by what became of them',
    ['reason', 'outcome'],
  );
  readonly restarts = this.#counter('nekogate_session_restarts_total', 'Restarts of sessions that died', []);
  readonly media = this.#counter(
    'nekogate_media_total',
    'Pictures that began to come, by their way (direct, turn, tcp, vnc), as viewers of ours say',
    ['rung'],
  );
  readonly mediaSeconds = this.#counter(
    'nekogate_media_seconds_total',
    'Time that pictures came by each way; told when one ends or takes another',
    ['rung'],
  );
  readonly tcpMedia = this.#gauge('nekogate_tcp_media_connections', "Viewers' media connections over TCP now", []);
  readonly commands = this.#counter('nekogate_commands_total', 'Commands to agents by outcome', ['action', 'outcome']);
  readonly tunnelDial = new Histogram({
    name: 'nekogate_tunnel_dial_seconds',
    help: 'From asking an agent for a tunnel to its dialling back',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });
  readonly httpDuration = new Histogram({
    name: 'nekogate_http_request_duration_seconds',
    help: 'HTTP requests by route, method and status',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120],
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prometheus' text, with the gauges read now. */
  async render(counted: Counted): Promise<string> {
    for (const [state, count] of Object.entries(await counted.agentsByState())) this.#agents.set({ state }, count);
    const sessions = await counted.sessionsByState();
    for (const state of SessionState.options) this.#sessions.set({ state }, sessions.get(state) ?? 0);
    for (const [state, count] of Object.entries(await counted.pooled())) this.#pooled.set({ state }, count);
    this.#logins.set(counted.logins());
    this.#vncClients.set(counted.vncClients());
    this.#freeSlots.set(counted.freeSlots());
    return this.#registry.metrics();
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: Label[]): Gauge<Label> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }
}
