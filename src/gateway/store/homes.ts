import type { Kysely } from 'kysely';
import type { HomeRow, Tables } from './tables.ts';

export class HomeTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async find(id: string): Promise<HomeRow | undefined> {
    return this.#db.selectFrom('homes').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** The home lies on this agent's host from now on. */
  async place(id: string, agentId: string, now: string): Promise<void> {
    await this.#db
      .insertInto('homes')
      .values({ id, agent_id: agentId, created_at: now })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ agent_id: agentId }))
      .execute();
  }
}
