import type { Failure, Role, SessionState } from '../../protocol/session.ts';

// The store's tables as both databases have them. Times are ISO 8601 text in UTC with milliseconds, which sorts by time and
// reads back the same from SQLite and Postgres; structures are JSON text.

export interface AgentRow {
  id: string;
  label: string;
  key_hash: string;
  created_at: string;
  last_seen_at: string | null;
  revoked_at: string | null;
}

export interface SessionRow {
  id: string;
  agent_id: string;
  /** A SessionSpec. */
  spec: string;
  state: SessionState;
  streamer: 'neko' | 'embedded' | null;
  reason_code: Failure['code'] | null;
  reason_message: Failure['message'] | null;
  /** A list of lines. */
  log_tail: string | null;
  exit_code: number | null;
  created_at: string;
  updated_at: string;
  ended_at: string | null;
  /** The template that it was made by, as it was then. */
  template_id: string | null;
  template_revision: number | null;
  /** As in its spec; of the sessions that have not ended one at most has it. */
  home: string | null;
  /** The key of the pool in which it waits to be claimed. */
  pool: string | null;
  /** What is under way: a start that falls back to hibernated, or a stop that is followed by a start. */
  wish: 'wake' | 'restart' | null;
  /** When this run of it began. */
  started_at: string | null;
  /** When it is idle, and when its time is over, unless that is moved; null where it has no such limit. */
  idle_at: string | null;
  ends_at: string | null;
  /** Restarts after failures, one after the other, and when the next is due. */
  restarts: number;
  restart_at: string | null;
}

/** On which agent's host a home lies. */
export interface HomeRow {
  id: string;
  agent_id: string;
  created_at: string;
}

export interface TemplateRow {
  id: string;
  label: string;
  /** A SpecChoice. */
  spec: string;
  /** A list of keys of a spec. */
  overrides: string;
  /** Sessions kept ready on each agent. */
  warm: number;
  /** Counts its changes, from 1. */
  revision: number;
  created_at: string;
  updated_at: string;
}

export interface AccessRow {
  id: string;
  session_id: string;
  role: Role;
  label: string;
  token_hash: string;
  expires_at: string;
  revoked_at: string | null;
  created_at: string;
}

export interface AuditRow {
  /** Sorts by time, also within one millisecond. */
  id: string;
  at: string;
  /** Who did it: `admin`, `agent:ID`, `access:ID`, `gateway`, `anonymous`. */
  actor: string;
  action: string;
  target: string;
  /** `ok`, or the code of the failure. */
  outcome: string;
  detail: string;
  request_id: string;
}

export interface Tables {
  agents: AgentRow;
  sessions: SessionRow;
  accesses: AccessRow;
  homes: HomeRow;
  templates: TemplateRow;
  audit: AuditRow;
}
