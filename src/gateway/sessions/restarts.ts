import type { SessionSpec } from '../../protocol/session.ts';
import type { SessionRow } from '../store/tables.ts';

const FIRST_DELAY_MS = 1000;
const DELAY_MAX_MS = 60_000;
/** Restarts one after the other; then the session is failed for good. */
export const RESTARTS_MAX = 5;
/** A run that lasted so long was a good one: the next failure is counted as the first. */
const PEACE_MS = 10 * 60_000;

export interface NextRestart {
  restarts: number;
  /** When it is due (ISO 8601). */
  at: string;
  inWords: string;
}

/** What a session's policy makes of its failure at `failedAt`; undefined when it is to stay failed. One that never ran is not tried again. */
export function nextRestart(
  session: Pick<SessionRow, 'started_at' | 'restarts' | 'pool'>,
  { restart }: Pick<SessionSpec, 'restart'>,
  failedAt: number,
): NextRestart | undefined {
  const { started_at: startedAt, pool } = session;
  if (restart !== 'on-failure' || pool !== null) return undefined;
  if (startedAt === null && session.restarts === 0) return undefined;
  const lastedMs = startedAt === null ? 0 : failedAt - Date.parse(startedAt);
  const before = lastedMs >= PEACE_MS ? 0 : session.restarts;
  if (before >= RESTARTS_MAX) return undefined;
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** before, DELAY_MAX_MS);
  return {
    restarts: before + 1,
    at: new Date(failedAt + delayMs).toISOString(),
    inWords: `restart ${before + 1} of ${RESTARTS_MAX} follows in ${delayMs / 1000} s`,
  };
}
