import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { FailureCode } from '../errors.ts';
import type { AuditTable } from './store/audit.ts';

export interface AuditEntry {
  /** Who did it: `admin`, `agent:ID`, `access:ID`, `gateway`, `anonymous`. */
  actor: string;
  /** A noun and a past tense: `session.created`, `login.closed`. */
  action: string;
  /** What it was done to: `session:ID`, `agent:ID`, … */
  target: string;
  outcome?: 'ok' | FailureCode;
  /** Never a secret. */
  detail?: Record<string, string | number | boolean | undefined>;
  requestId?: string;
}

/** One row and one log line for everything that somebody may ask about later. */
export class Audit {
  readonly #table: AuditTable;
  readonly #log: Logger;
  readonly #writing = new Set<Promise<void>>();
  #count = 0;

  constructor(table: AuditTable, log: Logger) {
    this.#table = table;
    this.#log = log;
  }

  /** Never throws and need not be awaited: an action isn't undone because its row could not be written; the log line is there anyhow. */
  record(entry: AuditEntry): void {
    const { actor, action, target, outcome = 'ok', detail = {}, requestId = '' } = entry;
    const now = new Date();
    this.#log.info({ audit: action, actor, target, outcome, detail, requestId }, 'audit');
    const row = { actor, action, target, outcome, detail: JSON.stringify(detail), request_id: requestId };
    const writing = this.#table
      .add({ ...row, id: this.#newId(now), at: now.toISOString() })
      .catch((error: unknown) => this.#log.error({ err: error, audit: action, target }, 'an audit row was not written'))
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** Resolves once every row so far is written or given up. */
  async drain(): Promise<void> {
    await Promise.all(this.#writing);
  }

  /** Hex only, so that it sorts by time, and by order within a millisecond, in every database's collation. */
  #newId(now: Date): string {
    this.#count = (this.#count + 1) % 0x1_0000;
    const time = now.getTime().toString(16).padStart(12, '0');
    return time + this.#count.toString(16).padStart(4, '0') + randomBytes(4).toString('hex');
  }
}
