/**
 * Spreads bursts: a key frame is a hundred packets and more, and sent at once they overrun the buffers on the way.
 * When more than `max` wait, all are dropped, and `push` says so.
 */
export class Pacer<T> {
  readonly #send: (item: T) => void;
  readonly #options: { burst: number; everyMs: number; max: number };
  #waiting: T[] = [];
  #budget: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (item: T) => void, options: { burst: number; everyMs: number; max: number }) {
    this.#send = send;
    this.#options = options;
    this.#budget = options.burst;
  }

  /** Sends now or in turn; false when the queue overflowed and what waited, this one included, is gone. */
  push(item: T): boolean {
    if (this.#waiting.length === 0 && this.#budget > 0) {
      this.#budget -= 1;
      this.#send(item);
      this.#startTimer();
      return true;
    }
    if (this.#waiting.length >= this.#options.max) {
      this.#waiting = [];
      return false;
    }
    this.#waiting.push(item);
    this.#startTimer();
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
    this.#budget = 0;
  }

  #startTimer(): void {
    this.#timer ??= setInterval(() => this.#refill(), this.#options.everyMs);
  }

  #refill(): void {
    const batch = this.#waiting.splice(0, this.#options.burst);
    this.#budget = this.#options.burst - batch.length;
    for (const item of batch) this.#send(item);
    if (batch.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
