import type { Kysely } from 'kysely';
import type { AccessRow, Tables } from './tables.ts';

export class AccessTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async add(access: AccessRow): Promise<void> {
    await this.#db.insertInto('accesses').values(access).execute();
  }

  async findByTokenHash(tokenHash: string): Promise<AccessRow | undefined> {
    return this.#db.selectFrom('accesses').selectAll().where('token_hash', '=', tokenHash).executeTakeFirst();
  }

  /** All of a session, revoked and expired ones too, oldest first. */
  async list(sessionId: string, limit: number): Promise<AccessRow[]> {
    return this.#db
      .selectFrom('accesses')
      .selectAll()
      .where('session_id', '=', sessionId)
      .orderBy('created_at')
      .orderBy('id')
      .limit(limit)
      .execute();
  }

  async count(sessionId: string): Promise<number> {
    const row = await this.#db
      .selectFrom('accesses')
      .select((select) => select.fn.countAll<number | bigint | string>().as('count'))
      .where('session_id', '=', sessionId)
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  /** `revoked`, or `unchanged` when it was revoked before, or `missing`. */
  async revoke(sessionId: string, id: string, now: string): Promise<'revoked' | 'unchanged' | 'missing'> {
    const written = await this.#db
      .updateTable('accesses')
      .set({ revoked_at: now })
      .where('id', '=', id)
      .where('session_id', '=', sessionId)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    if (written.numUpdatedRows > 0n) return 'revoked';
    const found = await this.#db
      .selectFrom('accesses')
      .select('id')
      .where('id', '=', id)
      .where('session_id', '=', sessionId)
      .executeTakeFirst();
    return found ? 'unchanged' : 'missing';
  }
}
