import type { SessionRow } from '../store/tables.ts';

type Listener = (session: SessionRow) => void;

/** News of sessions for who waits in this process. */
export class SessionChanges {
  readonly #listeners = new Set<Listener>();
  readonly #waits = new Set<() => void>();

  /** Returns what ends the listening. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(session: SessionRow): void {
    for (const listener of this.#listeners) listener(session);
  }

  /** `settled` resolves with the first change that the test takes, or undefined when the time is over or all waits end. */
  waitFor(
    sessionId: string,
    test: (session: SessionRow) => boolean,
    timeoutMs: number,
  ): Disposable & { settled: Promise<SessionRow | undefined> } {
    const { promise, resolve } = Promise.withResolvers<SessionRow | undefined>();
    const off = this.on((session) => {
      if (session.id === sessionId && test(session)) resolve(session);
    });
    const giveUp = (): void => resolve(undefined);
    const timer = setTimeout(giveUp, timeoutMs);
    this.#waits.add(giveUp);
    return {
      settled: promise,
      [Symbol.dispose]: () => {
        off();
        clearTimeout(timer);
        this.#waits.delete(giveUp);
      },
    };
  }

  /** Who waits gets its answer now, so that a gateway can stop. */
  endWaits(): void {
    for (const giveUp of this.#waits) giveUp();
  }
}
