import { PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import type { Logger } from 'pino';

/** Connections of one gateway; a query waits for a free one. */
const POOL_MAX = 10;
const CONNECT_TIMEOUT_MS = 10_000;
/** A statement that runs longer is ended by the server, so that a stuck database shows as errors and not as silence. */
const STATEMENT_TIMEOUT_MS = 30_000;

export function createPostgresDialect(databaseUrl: string, log: Logger): PostgresDialect {
  const pool = new Pool({
    connectionString: databaseUrl,
    max: POOL_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    application_name: 'nekogate',
  });
  // An idle connection that breaks (the server restarts) is replaced by the pool; unheard, its error would end the process.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'lost an idle connection to Postgres'));
  return new PostgresDialect({ pool });
}
