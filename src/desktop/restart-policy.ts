export interface RestartLimits {
  /** Wait before the first restart; each one after it waits twice as long. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** Restarts in a row; one more failure is the end. */
  restartsMax: number;
  /** A part that ran this long starts the count again. */
  peaceMs: number;
}

export const RESTART_LIMITS: RestartLimits = { firstDelayMs: 500, maxDelayMs: 10_000, restartsMax: 5, peaceMs: 60_000 };

/** Counts the restarts of one part of a desktop. */
export class RestartPolicy {
  readonly #limits: RestartLimits;
  #restarts = 0;

  constructor(limits: RestartLimits) {
    this.#limits = limits;
  }

  /** How long to wait before restarting a part that ran for `livedMs`; undefined when it is to be given up. */
  next(livedMs: number): number | undefined {
    if (livedMs >= this.#limits.peaceMs) this.#restarts = 0;
    if (this.#restarts >= this.#limits.restartsMax) return undefined;
    const delay = Math.min(this.#limits.firstDelayMs * 2 ** this.#restarts, this.#limits.maxDelayMs);
    this.#restarts += 1;
    return delay;
  }
}
