import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import { AccessTable } from './accesses.ts';
import { AgentTable } from './agents.ts';
import { AuditTable } from './audit.ts';
import { HomeTable } from './homes.ts';
import { migrate } from './migrations.ts';
import { createPostgresDialect } from './postgres.ts';
import { SessionTable } from './sessions.ts';
import { createSqliteDialect } from './sqlite.ts';
import type { Tables } from './tables.ts';
import { TemplateTable } from './templates.ts';

export interface StoreOptions {
  /** Holds `nekogate.db` when there is no databaseUrl; made with 0700 when it is missing. */
  dataDir: string;
  /** postgres://…; then nothing of the store lies in dataDir. */
  databaseUrl?: string | undefined;
  log: Logger;
}

/** What must outlive the gateway's process. One object a table; every query of a table stands in its file. */
export class Store {
  readonly kind: 'sqlite' | 'postgres';
  readonly agents: AgentTable;
  readonly sessions: SessionTable;
  readonly accesses: AccessTable;
  readonly homes: HomeTable;
  readonly templates: TemplateTable;
  readonly audit: AuditTable;
  readonly #db: Kysely<Tables>;
  #closing: Promise<void> | undefined;

  /** Resolves once the database answers and has its newest shape; leaves nothing open when it throws. */
  static async open(options: StoreOptions): Promise<Store> {
    await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
    const store = options.databaseUrl
      ? new Store('postgres', new Kysely({ dialect: createPostgresDialect(options.databaseUrl, options.log) }))
      : new Store('sqlite', new Kysely({ dialect: createSqliteDialect(join(options.dataDir, 'nekogate.db')) }));
    try {
      await migrate(store.#db);
      return store;
    } catch (cause) {
      await store.close();
      throw new GatewayError('STORE_UNAVAILABLE', `the ${store.kind} store could not be opened or migrated`, { cause });
    }
  }

  private constructor(kind: 'sqlite' | 'postgres', db: Kysely<Tables>) {
    this.kind = kind;
    this.#db = db;
    this.agents = new AgentTable(db);
    this.sessions = new SessionTable(db);
    this.accesses = new AccessTable(db);
    this.homes = new HomeTable(db);
    this.templates = new TemplateTable(db);
    this.audit = new AuditTable(db);
  }

  /** @throws GatewayError STORE_UNAVAILABLE when the database doesn't answer. */
  async check(): Promise<void> {
    try {
      await sql`select 1`.execute(this.#db);
    } catch (cause) {
      throw new GatewayError('STORE_UNAVAILABLE', `the ${this.kind} store does not answer`, { cause });
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#db.destroy());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
