import type { Logger } from 'pino';
import { toGatewayError } from '../../errors.ts';
import { SessionSpec, type Failure } from '../../protocol/session.ts';
import type { Hub, Present } from '../agents/hub.ts';
import type { Metrics } from '../metrics.ts';
import { canGive, needsOf, roomByAgent, type HostNeeds } from '../sessions/placement.ts';
import { poolKeyOf } from '../sessions/pool-key.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { isEnded } from '../sessions/states.ts';
import type { Store } from '../store/store.ts';
import type { SessionRow } from '../store/tables.ts';
import type { Template, Templates } from './templates.ts';

const BACKOFF_FIRST_MS = 1000;
const BACKOFF_MAX_MS = 5 * 60_000;

export interface WarmPoolsDeps {
  store: Store;
  hub: Hub;
  sessions: Sessions;
  templates: Templates;
  metrics: Metrics;
  log: Logger;
}

/** What is to be ready on each agent. */
interface Pool {
  spec: SessionSpec;
  count: number;
  needs: HostNeeds;
}

interface Trouble {
  agentId: string;
  failures: number;
  /** By performance.now(); sooner no further start is tried. */
  until: number;
  last: Failure & { at: string };
}

export interface PoolStatus {
  ready: number;
  starting: number;
  lastFailure?: Failure & { at: string; agentId: string };
}

/**
 * Keeps sessions of templates ready on each agent of this gateway that has room: starts what is missing, one at a time on each
 * agent, later and later where that fails; ends what no template wants any more.
 */
export class WarmPools {
  readonly #deps: WarmPoolsDeps;
  /** By agent and pool. */
  readonly #troubles = new Map<string, Trouble>();
  readonly #endListening: () => void;

  constructor(deps: WarmPoolsDeps) {
    this.#deps = deps;
    this.#endListening = deps.sessions.changes.on((session) => this.#observe(session));
  }

  stop(): void {
    this.#endListening();
  }

  async statusOf(template: Template): Promise<PoolStatus> {
    const key = poolKeyOf(SessionSpec.parse(template.spec));
    const pooled =
      template.warm === 0 ? [] : (await this.#deps.store.sessions.listPooled()).filter(({ pool }) => pool === key);
    const ready = pooled.filter(({ state }) => state === 'warm').length;
    const troubles = [...this.#troubles].filter(([name]) => name.endsWith(`/${key}`)).map(([, trouble]) => trouble);
    const worst = troubles.toSorted((one, other) => (one.last.at < other.last.at ? 1 : -1))[0];
    return {
      ready,
      starting: pooled.length - ready,
      ...(worst && { lastFailure: { ...worst.last, agentId: worst.agentId } }),
    };
  }

  /** One look at all pools. Ends what is too much before it starts what is missing. */
  async tend(): Promise<void> {
    const { store, hub, sessions } = this.#deps;
    await store.sessions.removeEndedPooled();
    const pooled = await store.sessions.listPooled();
    const wanted = await this.#wanted();
    if (wanted.size === 0 && pooled.length === 0) return;
    const present = new Map(hub.list().map((one) => [one.connection.agent.id, one]));
    const here = pooled.filter(({ agent_id: agentId }) => present.has(agentId));
    await Promise.all(surplusOf(here, wanted).map((session) => sessions.dropPooled(session)));
    const { free } = await roomByAgent({ store });
    for (const agent of present.values()) {
      const ofAgent = here.filter((session) => session.agent_id === agent.connection.agent.id);
      if (free(agent) > 0 && ofAgent.every(({ state }) => state === 'warm'))
        await this.#startMissing(agent, ofAgent, wanted);
    }
  }

  async #wanted(): Promise<Map<string, Pool>> {
    const { templates, log } = this.#deps;
    const wanted = new Map<string, Pool>();
    const all = await templates.list((templateId, { message }) =>
      log.warn({ templateId, reason: message }, 'a template is not used'),
    );
    for (const { spec: choice, warm } of all.filter((template) => template.warm > 0)) {
      const spec = SessionSpec.parse(choice);
      const key = poolKeyOf(spec);
      wanted.set(key, { spec, count: warm + (wanted.get(key)?.count ?? 0), needs: needsOf(choice) });
    }
    return wanted;
  }

  async #startMissing(
    agent: Present,
    ofAgent: readonly SessionRow[],
    wanted: ReadonlyMap<string, Pool>,
  ): Promise<void> {
    const { sessions, log } = this.#deps;
    const agentId = agent.connection.agent.id;
    for (const [key, { spec, count, needs }] of wanted) {
      const isFull = ofAgent.filter(({ pool }) => pool === key).length >= count;
      const isTroubled = (this.#troubles.get(`${agentId}/${key}`)?.until ?? 0) > performance.now();
      if (isFull || isTroubled || !canGive(agent, needs)) continue;
      try {
        await sessions.createPooled(agent, spec, key);
      } catch (thrown) {
        const { code, message } = toGatewayError(thrown);
        log.warn({ agentId, code, reason: message }, 'a session for a pool was not started');
        this.#note(agentId, key, { code, message });
      }
      return;
    }
  }

  /** Follows what becomes of what was started. */
  #observe(session: SessionRow): void {
    const { id, pool, agent_id: agentId, reason_code: code, reason_message: message } = session;
    if (pool === null) return;
    if (session.state === 'warm') {
      this.#troubles.delete(`${agentId}/${pool}`);
      this.#deps.metrics.poolStarts.inc({ outcome: 'ok' });
    }
    if (!isEnded(session) || code === null) return;
    this.#deps.metrics.poolStarts.inc({ outcome: 'failed' });
    this.#deps.log.warn({ sessionId: id, agentId, code, reason: message }, 'a session of a pool failed');
    this.#note(agentId, pool, { code, message: message ?? '' });
  }

  #note(agentId: string, pool: string, failure: Failure): void {
    const name = `${agentId}/${pool}`;
    const failures = (this.#troubles.get(name)?.failures ?? 0) + 1;
    const delayMs = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
    const last = { ...failure, at: new Date().toISOString() };
    this.#troubles.set(name, { agentId, failures, until: performance.now() + delayMs, last });
  }
}

/** What no template wants any more, and what is more than wanted: the youngest first. */
function surplusOf(pooled: readonly SessionRow[], wanted: ReadonlyMap<string, Pool>): SessionRow[] {
  const groups = Map.groupBy(pooled, ({ agent_id: agentId, pool }) => `${agentId}/${pool}`);
  return [...groups.values()].flatMap((group) => group.slice(wanted.get(group[0]?.pool ?? '')?.count ?? 0));
}
