import type { Logger } from 'pino';
import { SessionSpec, type SessionReport } from '../../protocol/session.ts';
import { FINAL_STATES } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import type { SessionRow } from '../store/tables.ts';
import { SessionChanges } from './changes.ts';
import { nextRestart } from './restarts.ts';

/** What an agent says of a session while the gateway has it stopped only to start it again is not news. */
const PARTS_OF_A_RESTART: ReadonlySet<string> = new Set(['starting', 'running', 'stopping', 'stopped', 'failed']);

/** How sessions are, as the store has them: what agents report becomes of them here, and every change is told from here. */
export class SessionStates {
  /** Told of every change that reached the store, in order per session. */
  readonly changes = new SessionChanges();
  readonly #store: Store;
  readonly #log: Logger;

  constructor(store: Store, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Takes a report where the session's state allows it. */
  async apply(agentId: string, report: SessionReport): Promise<void> {
    const session = await this.#take(agentId, report);
    if (!session) return;
    this.tell(session);
    if (session.state === 'running' && session.started_at === null) await this.begin(session);
  }

  /** A session that runs has its limits from now on, where it has none yet. */
  async begin({ id, spec }: Pick<SessionRow, 'id' | 'spec'>): Promise<void> {
    const { idleTimeoutSeconds, maxDurationSeconds } = specOf(spec);
    await this.#store.sessions.begin(
      id,
      { idleAt: after(idleTimeoutSeconds), endsAt: after(maxDurationSeconds) },
      now(),
    );
  }

  /** Says that the session is now as the store has it. */
  tell(session: SessionRow): void {
    const reason = session.reason_code === null ? undefined : `${session.reason_code}: ${session.reason_message}`;
    this.#log.info({ sessionId: session.id, state: session.state, reason }, 'session');
    this.changes.tell(session);
  }

  async #take(agentId: string, report: SessionReport): Promise<SessionRow | undefined> {
    const { sessions } = this.#store;
    const before = await sessions.find(report.sessionId);
    if (before?.wish === 'restart' && PARTS_OF_A_RESTART.has(report.state)) return undefined;
    if (report.state !== 'failed') return sessions.apply(agentId, report, now());
    if (before?.agent_id === agentId) {
      // What could not be woken is as it was, and can be woken again.
      if (before.wish === 'wake') return sessions.apply(agentId, { ...report, state: 'hibernated' }, now());
      const retried = await this.#retry(before, report);
      if (retried) return retried;
    }
    return (
      (await sessions.apply(agentId, report, now())) ??
      // A stop that met a start ends as a failure there; here it is what was asked for.
      (await sessions.apply(
        agentId,
        { ...report, state: before?.state === 'hibernating' ? 'hibernated' : 'stopped' },
        now(),
      ))
    );
  }

  async #retry(session: SessionRow, report: SessionReport): Promise<SessionRow | undefined> {
    const restart = nextRestart(session, specOf(session.spec), Date.now());
    if (!restart) return undefined;
    const { code = 'DESKTOP_FAILED', message = 'the session failed' } = report.reason ?? {};
    const reason = { code, message: `${message}; ${restart.inWords}`.slice(0, 4096) };
    return this.#store.sessions.scheduleRestart({ ...report, reason }, restart, now());
  }
}

export function isEnded(session: Pick<SessionRow, 'state'>): boolean {
  return FINAL_STATES.includes(session.state);
}

export function specOf(text: string): SessionSpec {
  return SessionSpec.parse(JSON.parse(text));
}

/** @returns null for a limit that there isn't */
function after(seconds: number | undefined): string | null {
  return seconds === undefined ? null : new Date(Date.now() + seconds * 1000).toISOString();
}

function now(): string {
  return new Date().toISOString();
}
