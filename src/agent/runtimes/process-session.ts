import type { Logger } from 'pino';
import { findState, watchStates } from '../../desktop/state.ts';
import { describeExit, type Supervised } from '../../process/child.ts';
import type { RunningSession, SessionHealth } from './runtime.ts';

export interface ProcessSessionParts {
  /** The desktop's process. */
  desktop: Supervised;
  /** What else the session has: its folder, with all processes in it, and its ports. */
  owned: AsyncDisposableStack;
  log: Logger;
}

const LOG_TAIL_LINES = 40;

/**
 * One session of the process runtime: a desktop's process, watched by the file in which it says how it is. When that process ends
 * without being told to, killed or failed, the session is failed and all that is left of it is ended: a desktop that lost
 * its supervisor can't be trusted with its parts, and starting another one is its owner's choice.
 */
export class ProcessSession implements RunningSession {
  readonly sessionId: string;
  readonly streamer: 'neko' | 'embedded';
  readonly neko: { readonly baseUrl: string; readonly adminPassword: string };
  readonly folder: string;
  readonly #parts: ProcessSessionParts;
  readonly #listeners = new Set<(health: SessionHealth) => void>();
  readonly #watching = new AbortController();
  readonly #watched: Promise<void>;
  #health: SessionHealth;
  #cleaning: Promise<void> | undefined;

  constructor(
    session: Pick<RunningSession, 'sessionId' | 'streamer' | 'neko' | 'folder'> & { health?: SessionHealth },
    parts: ProcessSessionParts,
  ) {
    this.sessionId = session.sessionId;
    this.streamer = session.streamer;
    this.neko = session.neko;
    this.folder = session.folder;
    this.#health = session.health ?? { state: 'running' };
    this.#parts = parts;
    this.#watched = this.#watch();
    void this.#untilLost();
  }

  get health(): SessionHealth {
    return this.#health;
  }

  onHealth(listener: (health: SessionHealth) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): Promise<void> {
    this.#watching.abort();
    return this.#clean();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Idempotent, since a session may be stopped while it fails. */
  #clean(): Promise<void> {
    return (this.#cleaning ??= (async () => {
      await this.#parts.desktop.stop();
      await this.#watched;
      await this.#parts.owned.disposeAsync();
    })());
  }

  async #watch(): Promise<void> {
    try {
      for await (const { state, reason } of watchStates(this.folder, this.#watching.signal)) {
        // Its process ends right after it has failed, and the session with it.
        if (state === 'failed') return;
        if (state === 'running') this.#set({ state });
        else if (reason) this.#set({ state, reason });
      }
    } catch (error) {
      if (!this.#watching.signal.aborted) this.#parts.log.error({ err: error }, 'a desktop is not watched any more');
    }
  }

  async #untilLost(): Promise<void> {
    const exit = await this.#parts.desktop.exited;
    if (this.#watching.signal.aborted) return;
    this.#watching.abort();
    await this.#parts.desktop.stop();
    const last = await findState(this.folder);
    const message = `the desktop's process ${describeExit(exit)}; what was left of it is ended`;
    const failed: SessionHealth =
      last?.state === 'failed' && last.reason
        ? { state: 'failed', reason: last.reason, logTail: last.logTail }
        : {
            state: 'failed',
            reason: { code: 'DESKTOP_FAILED', message },
            logTail: this.#parts.desktop.log.last(LOG_TAIL_LINES),
          };
    await this.#clean().catch((error: unknown) =>
      this.#parts.log.error({ err: error, sessionId: this.sessionId }, 'a lost desktop could not be cleaned up'),
    );
    this.#set(failed);
  }

  #set(health: SessionHealth): void {
    if (JSON.stringify(health) === JSON.stringify(this.#health)) return;
    this.#health = health;
    for (const listener of this.#listeners) listener(health);
  }
}
