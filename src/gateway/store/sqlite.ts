import { closeSync, constants, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely';

/** Time that a statement waits for another process that is writing. */
const BUSY_TIMEOUT_MS = 5000;
/** Statements kept for the next time, more than we have; beyond that the oldest goes. Preparing one takes longer than a look-up by it. */
const STATEMENTS_MAX = 200;

/** Kysely's SQLite dialect over Node's own SQLite: one file, 0600, made when it is missing. */
export function createSqliteDialect(file: string): SqliteDialect {
  return new SqliteDialect({ database: async () => openDatabase(file) });
}

function openDatabase(file: string): SqliteDatabase {
  // SQLite makes its files with the umask's mode, and the -wal and -shm files take the database's: so it is made here first.
  closeSync(openSync(file, constants.O_CREAT | constants.O_RDWR, 0o600));
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
  database.exec('pragma journal_mode = wal');
  // With WAL, `normal` loses at most the last commits at a power cut and never the database.
  database.exec('pragma synchronous = normal');
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const known = statements.get(sql);
      if (known) return known;
      const statement = prepare(database, sql);
      statements.set(sql, statement);
      const [oldest] = statements.keys();
      if (statements.size > STATEMENTS_MAX && oldest !== undefined) statements.delete(oldest);
      return statement;
    },
  };
}

/** Kysely expects better-sqlite3's shape: parameters as one list, and a word on whether rows come back. */
function prepare(database: DatabaseSync, sql: string): SqliteStatement {
  const statement = database.prepare(sql);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(bindable)),
    run: (parameters) => statement.run(...parameters.map(bindable)),
    iterate: (parameters) => statement.iterate(...parameters.map(bindable)),
  };
}

function bindable(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value;
  throw new TypeError(`the store binds text, numbers and null, not ${typeof value}`);
}
