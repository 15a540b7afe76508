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
  created_at: string;
  updated_at: string;
  ended_at: string | null;
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
  audit: AuditRow;
}
