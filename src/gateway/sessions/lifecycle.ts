import type { Logger } from 'pino';
import type { Hub } from '../agents/hub.ts';
import type { Audit } from '../audit.ts';
import type { Logins } from '../logins/logins.ts';
import type { Metrics } from '../metrics.ts';
import type { Store } from '../store/store.ts';
import type { SessionRow } from '../store/tables.ts';
import type { Sessions } from './sessions.ts';
import { specOf } from './states.ts';

/** Sessions seen to in one look; the next look takes the next. */
const BATCH_MAX = 100;

export interface LifecycleDeps {
  store: Store;
  hub: Hub;
  sessions: Sessions;
  logins: Logins;
  audit: Audit;
  metrics: Metrics;
  log: Logger;
}

export interface LifecycleOptions {
  /** Time between two looks. */
  everyMs: number;
  /** Seen to in each look, after the sessions themselves. */
  pools: { tend(): Promise<void> };
}

/**
 * What happens to sessions by the clock: idle and over-long ones end or hibernate, due restarts are started, pools are filled. All
 * of it is decided by what the store says, so that a gateway that restarts goes on where it was, and of several one acts.
 */
export class Lifecycle {
  readonly #deps: LifecycleDeps;
  readonly #options: LifecycleOptions;
  readonly #timer: NodeJS.Timeout;
  /** What a look set off and did not wait for, by session. */
  readonly #busy = new Map<string, Promise<void>>();
  #looking: Promise<void> | undefined;
  #isStopped = false;

  constructor(deps: LifecycleDeps, options: LifecycleOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    }, options.everyMs);
  }

  /** A client has come, gone or called neko's API: from now on the session's idle time counts anew. */
  touch(sessionId: string): void {
    if (!this.#isStopped) void this.#quietly('idle time', () => this.#touch(sessionId, 0));
  }

  /** Resolves once the look that is under way is over. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { store, logins } = this.#deps;
    // A client that stays counts now and until after the next look, at whichever gateway that is.
    for (const sessionId of logins.sessionIds)
      await this.#quietly('idle time', () => this.#touch(sessionId, 2 * this.#options.everyMs));
    await this.#quietly('sessions whose time is over', async () => {
      for (const session of await store.sessions.listExpired(now(), BATCH_MAX))
        this.#once(session, () => this.#expire(session));
    });
    await this.#quietly('restarts', async () => {
      for (const session of await store.sessions.listRestartsDue(now(), BATCH_MAX))
        this.#once(session, () => this.#restart(session));
    });
    await this.#quietly('pools', () => this.#options.pools.tend());
  }

  async #touch(sessionId: string, extraMs: number): Promise<void> {
    const { store } = this.#deps;
    const session = await store.sessions.find(sessionId);
    if (!session || session.idle_at === null) return;
    const { idleTimeoutSeconds } = specOf(session.spec);
    if (idleTimeoutSeconds === undefined) return;
    await store.sessions.touch(sessionId, new Date(Date.now() + idleTimeoutSeconds * 1000 + extraMs).toISOString());
  }

  async #expire(session: SessionRow): Promise<void> {
    const { sessions, hub, logins, audit, metrics } = this.#deps;
    const { idleTimeoutSeconds = 0, maxDurationSeconds = 0 } = specOf(session.spec);
    const isOver = session.ends_at !== null && session.ends_at <= now();
    // Whoever has come since the look is no reason to end what is over, but one not to call it idle.
    if (!isOver && logins.list(session.id).length > 0) return;
    // Nobody can be seen watching through an agent that is away, and yet media may flow.
    if (!isOver && !hub.find(session.agent_id)) return;
    const reason = isOver
      ? { code: 'MAX_DURATION', message: `it ran for ${maxDurationSeconds} s, as long as it may` }
      : { code: 'IDLE_TIMEOUT', message: `nobody used it for ${idleTimeoutSeconds} s` };
    const outcome = await sessions.expire(session, reason);
    if (!outcome) return;
    metrics.expirations.inc({ reason: reason.code, outcome });
    audit.record({
      actor: 'gateway',
      action: `session.${outcome}`,
      target: `session:${session.id}`,
      detail: { reason: reason.code, message: reason.message },
    });
  }

  async #restart(session: SessionRow): Promise<void> {
    const { sessions, audit, metrics } = this.#deps;
    if (!(await sessions.retry(session))) return;
    metrics.restarts.inc();
    audit.record({
      actor: 'gateway',
      action: 'session.restarted',
      target: `session:${session.id}`,
      detail: { restarts: session.restarts, after: session.reason_code ?? undefined },
    });
  }

  /** A stop or start takes its time at the agent; other sessions don't wait for it. */
  #once({ id }: SessionRow, task: () => Promise<void>): void {
    if (this.#busy.has(id)) return;
    this.#busy.set(
      id,
      this.#quietly('a session', task).finally(() => this.#busy.delete(id)),
    );
  }

  async #quietly(what: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#deps.log.error({ err: error }, `${what} could not be seen to; tried again with the next look`);
    }
  }
}

function now(): string {
  return new Date().toISOString();
}
