import type { Kysely } from 'kysely';
import type { Tables, TemplateRow } from './tables.ts';

type Content = Pick<TemplateRow, 'label' | 'spec' | 'overrides' | 'warm'>;

export class TemplateTable {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  /** False, and nothing changed, when the id is in use. */
  async add(id: string, content: Content, now: string): Promise<boolean> {
    const written = await this.#db
      .insertInto('templates')
      .values({ id, ...content, revision: 1, created_at: now, updated_at: now })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst();
    return (written.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  async find(id: string): Promise<TemplateRow | undefined> {
    return this.#db.selectFrom('templates').selectAll().where('id', '=', id).executeTakeFirst();
  }

  async list(limit: number): Promise<TemplateRow[]> {
    return this.#db.selectFrom('templates').selectAll().orderBy('id').limit(limit).execute();
  }

  async count(): Promise<number> {
    const row = await this.#db
      .selectFrom('templates')
      .select((select) => select.fn.countAll<number | bigint | string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  /** Counts the revision up; undefined, and nothing changed, when there is no such template or it has another revision than expected. */
  async replace(
    id: string,
    content: Content,
    { expected, now }: { expected: number | undefined; now: string },
  ): Promise<TemplateRow | undefined> {
    let query = this.#db
      .updateTable('templates')
      .set((set) => ({ ...content, updated_at: now, revision: set('revision', '+', 1) }))
      .where('id', '=', id);
    if (expected !== undefined) query = query.where('revision', '=', expected);
    return query.returningAll().executeTakeFirst();
  }

  /** False when there is none. */
  async remove(id: string): Promise<boolean> {
    const written = await this.#db.deleteFrom('templates').where('id', '=', id).executeTakeFirst();
    return written.numDeletedRows > 0n;
  }
}
