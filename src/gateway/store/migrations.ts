import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';

// One set for both databases, so only what both understand: text, integer, not null, references, indexes. Add at the end; never change one.
const MIGRATIONS: Record<string, Migration> = {
  '0001-first-tables': {
    async up(db) {
      await db.schema
        .createTable('agents')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('label', 'text', (column) => column.notNull())
        .addColumn('key_hash', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addColumn('last_seen_at', 'text')
        .addColumn('revoked_at', 'text')
        .execute();

      await db.schema
        .createTable('sessions')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('agent_id', 'text', (column) => column.notNull().references('agents.id'))
        .addColumn('spec', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('streamer', 'text')
        .addColumn('reason_code', 'text')
        .addColumn('reason_message', 'text')
        .addColumn('log_tail', 'text')
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addColumn('updated_at', 'text', (column) => column.notNull())
        .addColumn('ended_at', 'text')
        .execute();
      await db.schema.createIndex('sessions_by_agent').on('sessions').columns(['agent_id', 'state']).execute();
      await db.schema.createIndex('sessions_by_age').on('sessions').columns(['created_at', 'id']).execute();

      await db.schema
        .createTable('accesses')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('session_id', 'text', (column) => column.notNull().references('sessions.id').onDelete('cascade'))
        .addColumn('role', 'text', (column) => column.notNull())
        .addColumn('label', 'text', (column) => column.notNull())
        .addColumn('token_hash', 'text', (column) => column.notNull().unique())
        .addColumn('expires_at', 'text', (column) => column.notNull())
        .addColumn('revoked_at', 'text')
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute();
      await db.schema.createIndex('accesses_by_session').on('accesses').columns(['session_id', 'created_at']).execute();

      await db.schema
        .createTable('audit')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('at', 'text', (column) => column.notNull())
        .addColumn('actor', 'text', (column) => column.notNull())
        .addColumn('action', 'text', (column) => column.notNull())
        .addColumn('target', 'text', (column) => column.notNull())
        .addColumn('outcome', 'text', (column) => column.notNull())
        .addColumn('detail', 'text', (column) => column.notNull())
        .addColumn('request_id', 'text', (column) => column.notNull())
        .execute();
    },
  },
  '0002-lifecycle': {
    async up(db) {
      const texts = ['template_id', 'home', 'pool', 'wish', 'started_at', 'idle_at', 'ends_at', 'restart_at'];
      // SQLite takes one column at a time.
      for (const name of texts) await db.schema.alterTable('sessions').addColumn(name, 'text').execute();
      for (const name of ['template_revision', 'exit_code'])
        await db.schema.alterTable('sessions').addColumn(name, 'integer').execute();
      await db.schema
        .alterTable('sessions')
        .addColumn('restarts', 'integer', (column) => column.notNull().defaultTo(0))
        .execute();
      await db.schema
        .createIndex('sessions_by_live_home')
        .on('sessions')
        .column('home')
        .unique()
        .where(sql.ref('ended_at'), 'is', null)
        .execute();
      await db.schema.createIndex('sessions_by_pool').on('sessions').columns(['pool', 'state']).execute();
      await db.schema.createIndex('sessions_by_state').on('sessions').column('state').execute();

      await db.schema
        .createTable('homes')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('agent_id', 'text', (column) => column.notNull().references('agents.id'))
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute();

      await db.schema
        .createTable('templates')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('label', 'text', (column) => column.notNull())
        .addColumn('spec', 'text', (column) => column.notNull())
        .addColumn('overrides', 'text', (column) => column.notNull())
        .addColumn('warm', 'integer', (column) => column.notNull())
        .addColumn('revision', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addColumn('updated_at', 'text', (column) => column.notNull())
        .execute();
    },
  },
};

/**
 * Brings the database to the newest shape. Two gateways may start at once: on Postgres Kysely holds an advisory lock, on
 * SQLite the migration is one write transaction.
 * @throws when the database refuses; then the failed migration was rolled back.
 */
export async function migrate<Tables>(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw new Error('the store could not be brought to its newest shape', { cause: error });
}
