import type { Logger } from 'pino';
import type { Store } from './store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Audit rows older than this go. */
const AUDIT_KEPT_MS = 90 * DAY_MS;
/** Sessions that ended longer ago go, with their accesses. */
const ENDED_SESSIONS_KEPT_MS = 30 * DAY_MS;
const SWEEP_MS = 60 * 60 * 1000;

/** Keeps the store from growing for ever: now, and then every hour. Returns what ends it. */
export function keepStoreSmall(store: Store, log: Logger): () => void {
  const sweep = (): void => {
    void removeOld(store, Date.now()).catch((error: unknown) =>
      log.warn({ err: error }, 'old rows could not be removed'),
    );
  };
  sweep();
  const timer = setInterval(sweep, SWEEP_MS);
  return () => clearInterval(timer);
}

export async function removeOld(store: Store, now: number): Promise<void> {
  await store.audit.removeBefore(new Date(now - AUDIT_KEPT_MS).toISOString());
  await store.sessions.removeEndedBefore(new Date(now - ENDED_SESSIONS_KEPT_MS).toISOString());
}
