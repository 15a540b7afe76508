import { sql, type Kysely } from 'kysely';
import type { Failure, SessionReport, SessionState } from '../../protocol/session.ts';
import type { SessionRow, Tables } from './tables.ts';

/**
 * From which states a session may come to each. Reports and requests cross on the wire, so a late one must not wake what has
 * ended: the database decides, in one statement.
 */
const MAY_BECOME: Record<SessionState, SessionState[]> = {
  pending: [],
  starting: ['pending', 'starting', 'warm', 'running', 'paused'],
  // One that waits in a pool is warm instead.
  running: ['pending', 'starting', 'warm', 'running', 'paused'],
  warm: [],
  paused: ['pending', 'starting', 'running', 'paused'],
  hibernating: ['pending', 'starting', 'running', 'paused', 'hibernating'],
  hibernated: ['pending', 'starting', 'running', 'paused', 'hibernating'],
  stopping: ['pending', 'starting', 'warm', 'running', 'paused', 'hibernating', 'hibernated', 'stopping'],
  stopped: ['pending', 'starting', 'warm', 'running', 'paused', 'hibernating', 'hibernated', 'stopping'],
  failed: ['pending', 'starting', 'warm', 'running', 'paused'],
};

export const FINAL_STATES: readonly SessionState[] = ['stopped', 'failed'];
/** Those in which a session takes up room on its host. */
const LIVE_STATES: readonly SessionState[] = [
  'pending',
  'starting',
  'warm',
  'running',
  'paused',
  'hibernating',
  'stopping',
];
/** Those in which its time runs. */
const TIMED_STATES: readonly SessionState[] = ['running', 'paused'];

export type NewSession = Pick<SessionRow, 'id' | 'agent_id' | 'spec'> &
  Partial<Pick<SessionRow, 'home' | 'pool' | 'template_id' | 'template_revision'>>;

export interface SessionQuery {
  /** Those that wait in a pool are only listed as `warm`. */
  state?: SessionState | undefined;
  /** The last session of the page before. */
  after?: { createdAt: string; id: string } | undefined;
  limit: number;
}

/** What the gateway makes of a session. */
export interface Change {
  state: SessionState;
  wish?: SessionRow['wish'];
  /** Left out, the reason that it has stays. */
  reason?: Failure | undefined;
}

export interface Limits {
  idleAt: string | null;
  endsAt: string | null;
}

const NO_REASON = { reason_code: null, reason_message: null, log_tail: null, exit_code: null };
const NEW_RUN = {
  ended_at: null,
  wish: null,
  started_at: null,
  idle_at: null,
  ends_at: null,
  restarts: 0,
  restart_at: null,
};

export class SessionTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  /** A new session, pending; undefined, and nothing changed, when another one that has not ended has its home. */
  async add(session: NewSession, now: string): Promise<SessionRow | undefined> {
    const row: SessionRow = {
      home: null,
      pool: null,
      template_id: null,
      template_revision: null,
      ...session,
      state: 'pending',
      streamer: null,
      ...NO_REASON,
      ...NEW_RUN,
      created_at: now,
      updated_at: now,
    };
    return unlessHomeIsTaken(async () => {
      await this.#db.insertInto('sessions').values(row).execute();
      return row;
    });
  }

  async find(id: string): Promise<SessionRow | undefined> {
    return this.#db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** Newest first. */
  async list({ state, after, limit }: SessionQuery): Promise<SessionRow[]> {
    let query = this.#db.selectFrom('sessions').selectAll();
    if (state) query = query.where('state', '=', state);
    if (state !== 'warm') query = query.where('pool', 'is', null);
    if (after) {
      query = query.where((where) =>
        where.or([
          where('created_at', '<', after.createdAt),
          where.and([where('created_at', '=', after.createdAt), where('id', '<', after.id)]),
        ]),
      );
    }
    return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
  }

  /** The session that has this home; a hibernated one, too. */
  async findUnendedWith(home: string): Promise<SessionRow | undefined> {
    return this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('home', '=', home)
      .where('ended_at', 'is', null)
      .executeTakeFirst();
  }

  /** Hibernated ones, too. */
  async listUnendedOf(agentId: string): Promise<SessionRow[]> {
    return this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('agent_id', '=', agentId)
      .where('ended_at', 'is', null)
      .execute();
  }

  async listLiveOf(agentId: string): Promise<SessionRow[]> {
    return this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('agent_id', '=', agentId)
      .where('state', 'in', LIVE_STATES)
      .execute();
  }

  /** How many sessions take up room, by agent. */
  async countLiveByAgent(): Promise<Map<string, number>> {
    const rows = await this.#db
      .selectFrom('sessions')
      .select((select) => ['agent_id', select.fn.countAll<number | bigint | string>().as('count')])
      .where('state', 'in', LIVE_STATES)
      .groupBy('agent_id')
      .execute();
    return new Map(rows.map((row) => [row.agent_id, Number(row.count)]));
  }

  /** How many of those wait in a pool, or are on their way there. */
  async countPooledByAgent(): Promise<Map<string, number>> {
    const rows = await this.#db
      .selectFrom('sessions')
      .select((select) => ['agent_id', select.fn.countAll<number | bigint | string>().as('count')])
      .where('state', 'in', ['pending', 'starting', 'warm'])
      .where('pool', 'is not', null)
      .groupBy('agent_id')
      .execute();
    return new Map(rows.map((row) => [row.agent_id, Number(row.count)]));
  }

  async countByState(): Promise<Map<SessionState, number>> {
    const rows = await this.#db
      .selectFrom('sessions')
      .select((select) => ['state', select.fn.countAll<number | bigint | string>().as('count')])
      .groupBy('state')
      .execute();
    return new Map(rows.map((row) => [row.state, Number(row.count)]));
  }

  /**
   * Takes a report on a session of this agent where the session's state allows it; resolves with the session as it then is,
   * or undefined when nothing changed.
   */
  async apply(agentId: string, report: SessionReport, now: string): Promise<SessionRow | undefined> {
    const { sessionId, state, streamer } = report;
    const from = MAY_BECOME[state];
    if (from.length === 0) return undefined;
    return this.#db
      .updateTable('sessions')
      .set({
        state,
        updated_at: now,
        ...(streamer && { streamer }),
        // A desktop that is whole again has no reason any more.
        ...(state === 'running' && {
          state: sql<SessionState>`case when pool is null then 'running' else 'warm' end`,
          ...NO_REASON,
          wish: null,
          restart_at: null,
        }),
        ...(state === 'hibernated' && { wish: null }),
        ...reasonOf(report),
        ...(FINAL_STATES.includes(state) && { ended_at: now, wish: null }),
      })
      .where('id', '=', sessionId)
      .where('agent_id', '=', agentId)
      .where('state', 'in', from)
      .returningAll()
      .executeTakeFirst();
  }

  /** Comes from one of these states to another by the gateway's own decision; undefined when it is in none of them any more. */
  async change(
    id: string,
    from: readonly SessionState[],
    change: Change,
    now: string,
  ): Promise<SessionRow | undefined> {
    const { state, wish = null, reason } = change;
    return this.#db
      .updateTable('sessions')
      .set({
        state,
        wish,
        updated_at: now,
        ...(reason && { ...NO_REASON, ...reasonOf({ reason }) }),
        ...(FINAL_STATES.includes(state) && { ended_at: now }),
      })
      .where('id', '=', id)
      .where('state', 'in', from)
      .returningAll()
      .executeTakeFirst();
  }

  /** A run of it begins anew, also after its end. `home-taken` when another one has its home since; undefined as for `change`. */
  async revive(
    id: string,
    from: readonly SessionState[],
    change: Change,
    now: string,
  ): Promise<SessionRow | 'home-taken' | undefined> {
    const { state, wish = null, reason } = change;
    const revived = await unlessHomeIsTaken(async () => [
      await this.#db
        .updateTable('sessions')
        .set({ ...NO_REASON, ...NEW_RUN, ...(reason && reasonOf({ reason })), state, wish, updated_at: now })
        .where('id', '=', id)
        .where('state', 'in', from)
        .returningAll()
        .executeTakeFirst(),
    ]);
    return revived ? revived[0] : 'home-taken';
  }

  /** What was wished for is not under way any more; whoever it was that saw to it. */
  async forgetWish(id: string): Promise<void> {
    await this.#db.updateTable('sessions').set({ wish: null }).where('id', '=', id).execute();
  }

  /** It failed and is to be started again at `at`; undefined when it may not fail, as it is. */
  async scheduleRestart(
    report: SessionReport,
    { restarts, at }: { restarts: number; at: string },
    now: string,
  ): Promise<SessionRow | undefined> {
    return this.#db
      .updateTable('sessions')
      .set({
        state: 'pending',
        restarts,
        restart_at: at,
        started_at: null,
        updated_at: now,
        ...NO_REASON,
        ...reasonOf(report),
      })
      .where('id', '=', report.sessionId)
      .where('pool', 'is', null)
      .where('state', 'in', MAY_BECOME.failed)
      .returningAll()
      .executeTakeFirst();
  }

  async listRestartsDue(now: string, limit: number): Promise<SessionRow[]> {
    return this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('state', '=', 'pending')
      .where('restart_at', '<=', now)
      .limit(limit)
      .execute();
  }

  /** Of those that want to see to a due restart one gets true. */
  async takeRestart(id: string): Promise<boolean> {
    const written = await this.#db
      .updateTable('sessions')
      .set({ restart_at: null })
      .where('id', '=', id)
      .where('state', '=', 'pending')
      .where('restart_at', 'is not', null)
      .executeTakeFirst();
    return written.numUpdatedRows > 0n;
  }

  /** Its run has begun; limits that run already go on. */
  async begin(id: string, { idleAt, endsAt }: Limits, now: string): Promise<void> {
    await this.#db
      .updateTable('sessions')
      .set((set) => ({
        started_at: now,
        idle_at: set.fn.coalesce('idle_at', set.val(idleAt)),
        ends_at: set.fn.coalesce('ends_at', set.val(endsAt)),
      }))
      .where('id', '=', id)
      .where('started_at', 'is', null)
      .where('state', '=', 'running')
      .execute();
  }

  /** Somebody is, or was just, connected. */
  async touch(id: string, idleAt: string): Promise<void> {
    await this.#db
      .updateTable('sessions')
      .set({ idle_at: idleAt })
      .where('id', '=', id)
      .where('idle_at', 'is not', null)
      .where('state', 'in', TIMED_STATES)
      .execute();
  }

  /** None of this agent's sessions is idle before then. */
  async postponeIdle(agentId: string, until: string): Promise<void> {
    await this.#db
      .updateTable('sessions')
      .set({ idle_at: until })
      .where('agent_id', '=', agentId)
      .where('idle_at', '<', until)
      .where('state', 'in', TIMED_STATES)
      .execute();
  }

  /** Those that are idle, or whose time is over. */
  async listExpired(now: string, limit: number): Promise<SessionRow[]> {
    return this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('state', 'in', TIMED_STATES)
      .where((where) => where.or([where('idle_at', '<=', now), where('ends_at', '<=', now)]))
      .limit(limit)
      .execute();
  }

  /** As `change`, if the session still is idle or over its time. */
  async expire(id: string, change: Change, now: string): Promise<SessionRow | undefined> {
    const { state, reason } = change;
    return this.#db
      .updateTable('sessions')
      .set({ state, updated_at: now, ...reasonOf({ reason }) })
      .where('id', '=', id)
      .where('state', 'in', TIMED_STATES)
      .where((where) => where.or([where('idle_at', '<=', now), where('ends_at', '<=', now)]))
      .returningAll()
      .executeTakeFirst();
  }

  /** The sessions of all pools that have not ended. */
  async listPooled(): Promise<SessionRow[]> {
    return this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('pool', 'is not', null)
      .where('state', 'in', LIVE_STATES)
      .orderBy('created_at')
      .execute();
  }

  /** Takes a ready session out of its pool. Of several that claim it one gets it; the others get undefined. */
  async claim(
    id: string,
    claim: Pick<SessionRow, 'spec' | 'template_id' | 'template_revision'>,
    now: string,
  ): Promise<SessionRow | undefined> {
    return this.#db
      .updateTable('sessions')
      .set({ ...claim, state: 'running', pool: null, created_at: now, updated_at: now })
      .where('id', '=', id)
      .where('state', '=', 'warm')
      .where('pool', 'is not', null)
      .returningAll()
      .executeTakeFirst();
  }

  /** To be ended, unless somebody has claimed it. */
  async dropFromPool(id: string, now: string): Promise<SessionRow | undefined> {
    return this.#db
      .updateTable('sessions')
      .set({ state: 'stopping', updated_at: now })
      .where('id', '=', id)
      .where('pool', 'is not', null)
      .where('state', 'in', ['pending', 'starting', 'warm'])
      .returningAll()
      .executeTakeFirst();
  }

  /** Nobody ever had them: what is to know of them stands in the log. */
  async removeEndedPooled(): Promise<void> {
    await this.#db.deleteFrom('sessions').where('pool', 'is not', null).where('ended_at', 'is not', null).execute();
  }

  /** Ended sessions and their accesses go. */
  async removeEndedBefore(before: string): Promise<void> {
    await this.#db.deleteFrom('sessions').where('ended_at', '<', before).execute();
  }
}

function reasonOf({ reason, logTail, exitCode }: Pick<SessionReport, 'reason' | 'logTail' | 'exitCode'>) {
  return {
    ...(reason && { reason_code: reason.code, reason_message: reason.message }),
    ...(logTail && { log_tail: JSON.stringify(logTail) }),
    ...(exitCode !== undefined && { exit_code: exitCode }),
  };
}

/** @returns undefined when the database refuses a second session on one home */
async function unlessHomeIsTaken<T>(write: () => Promise<T>): Promise<T | undefined> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof Error && /sessions_by_live_home|UNIQUE constraint failed: sessions\.home/.test(error.message))
      return undefined;
    throw error;
  }
}
