import type { Kysely } from 'kysely';
import type { HomeRow, SessionRow, Tables } from './tables.ts';

export interface PlacedHome extends HomeRow {
  /** The one that has it, or else the one that had it last. */
  session: Pick<SessionRow, 'id' | 'state' | 'template_id' | 'updated_at' | 'ended_at'> | undefined;
}

export class HomeTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async find(id: string): Promise<HomeRow | undefined> {
    return this.#db.selectFrom('homes').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** By id. */
  async list(limit: number, after: string | undefined): Promise<PlacedHome[]> {
    let query = this.#db.selectFrom('homes').selectAll();
    if (after !== undefined) query = query.where('id', '>', after);
    const homes = await query.orderBy('id').limit(limit).execute();
    if (homes.length === 0) return [];
    const ids = homes.map(({ id }) => id);
    const sessions = await this.#db
      .selectFrom('sessions')
      .select(['id', 'home', 'state', 'template_id', 'updated_at', 'ended_at'])
      .where('home', 'in', ids)
      .orderBy('ended_at')
      .execute();
    const lastOf = new Map(sessions.map((session) => [session.home, session]));
    for (const session of sessions) if (session.ended_at === null) lastOf.set(session.home, session);
    return homes.map((home) => ({ ...home, session: lastOf.get(home.id) }));
  }

  /** The home lies on this agent's host from now on. */
  async place(id: string, agentId: string, now: string): Promise<void> {
    await this.#db
      .insertInto('homes')
      .values({ id, agent_id: agentId, created_at: now })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ agent_id: agentId }))
      .execute();
  }

  /** Forgets it; false, and nothing changed, while a session that has not ended has it. One that isn't there is fine. */
  async remove(id: string): Promise<boolean> {
    const users = this.#db.selectFrom('sessions').select('id').where('home', '=', id).where('ended_at', 'is', null);
    await this.#db
      .deleteFrom('homes')
      .where('id', '=', id)
      .where((where) => where.not(where.exists(users)))
      .execute();
    return (await this.find(id)) === undefined;
  }
}
