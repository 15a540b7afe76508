import type { Kysely } from 'kysely';
import type { SessionReport, SessionState } from '../../protocol/session.ts';
import type { SessionRow, Tables } from './tables.ts';

/**
 * From which states a session may come to each. Reports and requests cross on the wire, so a late one must not wake what has
 * ended: the database decides, in one statement.
 */
const MAY_BECOME: Record<SessionState, SessionState[]> = {
  pending: [],
  starting: ['pending', 'starting', 'running'],
  running: ['pending', 'starting', 'running'],
  stopping: ['pending', 'starting', 'running', 'stopping'],
  stopped: ['pending', 'starting', 'running', 'stopping'],
  failed: ['pending', 'starting', 'running'],
};

export const FINAL_STATES: readonly SessionState[] = ['stopped', 'failed'];
const LIVE_STATES: readonly SessionState[] = ['pending', 'starting', 'running', 'stopping'];

export interface SessionQuery {
  state?: SessionState | undefined;
  /** The last session of the page before. */
  after?: { createdAt: string; id: string } | undefined;
  limit: number;
}

export class SessionTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  /** A new session, pending. */
  async add(session: Pick<SessionRow, 'id' | 'agent_id' | 'spec'>, now: string): Promise<SessionRow> {
    const row: SessionRow = {
      ...session,
      state: 'pending',
      streamer: null,
      reason_code: null,
      reason_message: null,
      log_tail: null,
      created_at: now,
      updated_at: now,
      ended_at: null,
    };
    await this.#db.insertInto('sessions').values(row).execute();
    return row;
  }

  async find(id: string): Promise<SessionRow | undefined> {
    return this.#db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** Newest first. */
  async list({ state, after, limit }: SessionQuery): Promise<SessionRow[]> {
    let query = this.#db.selectFrom('sessions').selectAll();
    if (state) query = query.where('state', '=', state);
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
    const { sessionId, state, streamer, reason, logTail } = report;
    const from = MAY_BECOME[state];
    if (from.length === 0) return undefined;
    return this.#db
      .updateTable('sessions')
      .set({
        state,
        updated_at: now,
        ...(streamer && { streamer }),
        // A desktop that is whole again has no reason any more.
        ...(state === 'running' && { reason_code: null, reason_message: null }),
        ...(reason && { reason_code: reason.code, reason_message: reason.message }),
        ...(logTail && { log_tail: JSON.stringify(logTail) }),
        ...(FINAL_STATES.includes(state) && { ended_at: now }),
      })
      .where('id', '=', sessionId)
      .where('agent_id', '=', agentId)
      .where('state', 'in', from)
      .returningAll()
      .executeTakeFirst();
  }

  /** Ended sessions and their accesses go. */
  async removeEndedBefore(before: string): Promise<void> {
    await this.#db.deleteFrom('sessions').where('ended_at', '<', before).execute();
  }
}
