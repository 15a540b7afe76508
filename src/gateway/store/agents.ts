import type { Kysely } from 'kysely';
import type { AgentRow, Tables } from './tables.ts';

export class AgentTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  /** Adds an agent, or gives a revoked id a new life; false, and nothing changed, when the id is in use. */
  async enroll(agent: Pick<AgentRow, 'id' | 'label' | 'key_hash'>, now: string): Promise<boolean> {
    const row = { ...agent, created_at: now, last_seen_at: null, revoked_at: null };
    const written = await this.#db
      .insertInto('agents')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row).where('agents.revoked_at', 'is not', null))
      .executeTakeFirst();
    return (written.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  async find(id: string): Promise<AgentRow | undefined> {
    return this.#db.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** Those not revoked, by id. */
  async list(limit: number): Promise<AgentRow[]> {
    return this.#db
      .selectFrom('agents')
      .selectAll()
      .where('revoked_at', 'is', null)
      .orderBy('id')
      .limit(limit)
      .execute();
  }

  async countActive(): Promise<number> {
    const row = await this.#db
      .selectFrom('agents')
      .select((select) => select.fn.countAll<number | bigint | string>().as('count'))
      .where('revoked_at', 'is', null)
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  /** False when there is no such agent, or it was revoked before. */
  async revoke(id: string, now: string): Promise<boolean> {
    return this.#update(id, { revoked_at: now });
  }

  async setKey(id: string, keyHash: string): Promise<boolean> {
    return this.#update(id, { key_hash: keyHash });
  }

  async setSeen(id: string, now: string): Promise<boolean> {
    return this.#update(id, { last_seen_at: now });
  }

  async #update(id: string, changes: Partial<AgentRow>): Promise<boolean> {
    const written = await this.#db
      .updateTable('agents')
      .set(changes)
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    return written.numUpdatedRows > 0n;
  }
}
