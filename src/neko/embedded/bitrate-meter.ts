const WINDOW_MS = 3000;
const BUCKET_MS = 250;

/** How many bits a second there were of late. The clock is the caller's. */
export class BitrateMeter {
  /** At most as many as the window has buckets. */
  #buckets: { startMs: number; bytes: number }[] = [];
  #sinceMs: number | undefined;

  add(bytes: number, nowMs: number): void {
    this.#sinceMs ??= nowMs;
    const last = this.#buckets.at(-1);
    if (last !== undefined && nowMs - last.startMs < BUCKET_MS) last.bytes += bytes;
    else this.#buckets.push({ startMs: nowMs, bytes });
    this.#forget(nowMs);
  }

  /** 0 until there has been something for a second. */
  read(nowMs: number): number {
    if (this.#sinceMs === undefined) return 0;
    this.#forget(nowMs);
    const spanMs = Math.min(WINDOW_MS, nowMs - this.#sinceMs);
    if (spanMs < 1000) return 0;
    const bytes = this.#buckets.reduce((sum, bucket) => sum + bucket.bytes, 0);
    return Math.round((bytes * 8000) / spanMs);
  }

  reset(): void {
    this.#buckets = [];
    this.#sinceMs = undefined;
  }

  #forget(nowMs: number): void {
    const first = this.#buckets.findIndex((bucket) => nowMs - bucket.startMs < WINDOW_MS);
    this.#buckets.splice(0, first < 0 ? this.#buckets.length : first);
  }
}
