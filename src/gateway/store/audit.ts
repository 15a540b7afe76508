import type { Kysely } from 'kysely';
import type { AuditRow, Tables } from './tables.ts';

export class AuditTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async add(row: AuditRow): Promise<void> {
    await this.#db.insertInto('audit').values(row).execute();
  }

  /** Newest first; `before` is the id of the last row of the page before. */
  async list(limit: number, before?: string): Promise<AuditRow[]> {
    let query = this.#db.selectFrom('audit').selectAll();
    if (before !== undefined) query = query.where('id', '<', before);
    return query.orderBy('id', 'desc').limit(limit).execute();
  }

  async removeBefore(before: string): Promise<void> {
    await this.#db.deleteFrom('audit').where('at', '<', before).execute();
  }
}
