import type { InputEvent } from '../../input/data-channel.ts';
import { WHEEL_INTERVAL_MS, WheelCounter, type WheelDelta } from './wheel.ts';

/** Sends the first clicks of a wheel at once, and those that come within the interval together at its end. */
export class WheelSender {
  readonly #send: (event: InputEvent) => void;
  readonly #counter = new WheelCounter();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #controlKey = false;

  constructor(send: (event: InputEvent) => void) {
    this.#send = send;
  }

  add(delta: WheelDelta, atMs: number, controlKey: boolean): void {
    this.#controlKey = controlKey;
    this.#counter.add(delta, atMs);
    if (this.#timer === undefined) this.#flush();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#counter.reset();
  }

  #flush(): void {
    this.#timer = undefined;
    const clicks = this.#counter.take();
    if (clicks === undefined) return;
    this.#send({ type: 'scroll', ...clicks, controlKey: this.#controlKey });
    this.#timer = setTimeout(() => this.#flush(), WHEEL_INTERVAL_MS);
  }
}
