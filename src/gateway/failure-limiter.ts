/** Wrong secrets that one address may present in a window; each further one is refused without an audit row. */
const FAILURES_MAX = 20;
const WINDOW_MS = 60_000;
/** Addresses remembered; the oldest is forgotten first. */
const ADDRESSES_MAX = 10_000;

/**
 * Counts wrong secrets by address. A right secret is never held up, so nobody behind the same proxy can be locked out: 256
 * bits cannot be guessed at any rate, and what the limit protects is the audit table and the log.
 */
export class FailureLimiter {
  readonly #windows = new Map<string, { count: number; endsAt: number }>();

  /** Counts one failure; false when the address is past its limit. */
  allow(address: string, now = Date.now()): boolean {
    const window = this.#windows.get(address);
    if (window && window.endsAt > now) return ++window.count <= FAILURES_MAX;
    this.#windows.delete(address);
    this.#windows.set(address, { count: 1, endsAt: now + WINDOW_MS });
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= ADDRESSES_MAX) break;
      this.#windows.delete(oldest);
    }
    return true;
  }
}
