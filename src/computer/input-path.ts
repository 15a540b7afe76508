import { setTimeout as sleep } from 'node:timers/promises';
import type { InputEvent } from '../input/data-channel.ts';
import { inputMessageOf } from '../input/socket-input.ts';
import type { Seat } from './seat.ts';

/** A way by which input reaches the streamer. */
export interface InputPath extends AsyncDisposable {
  /** `events` in one piece: resolves once they were executed, and all host changes up to then are known to the seat. @throws GatewayError | the signal's reason */
  perform(events: readonly InputEvent[], signal: AbortSignal): Promise<void>;
}

/** Messages in one window, of which a piece may take less than half; the agent's relay ends a client with 2000 in one second (src/signaling/relay.ts). */
const WINDOW_MESSAGES = 150;
const WINDOW_MS = 100;

/** Input over the signaling socket: through gateway and agent, so wherever a session can be joined. */
export class SocketInput implements InputPath {
  readonly #seat: Seat;
  #windowEnd = 0;
  #left = 0;

  constructor(seat: Seat) {
    this.#seat = seat;
  }

  async perform(events: readonly InputEvent[], signal: AbortSignal): Promise<void> {
    await this.#takeTurn(events.length + 1, signal);
    // neko gives the controls to who sends input while nobody has them: somebody who was let in meanwhile would lose them again.
    if (!this.#seat.isDriving) return;
    for (const event of events) {
      const message = inputMessageOf(event);
      if (message !== undefined) this.#seat.send(message.event, message.payload);
    }
    await this.#seat.fence(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The seat is its owner's.
  }

  async #takeTurn(messages: number, signal: AbortSignal): Promise<void> {
    const waitMs = Math.ceil(this.#windowEnd - performance.now());
    if (waitMs > 0 && this.#left < messages) await sleep(waitMs, undefined, { signal });
    if (performance.now() >= this.#windowEnd) {
      this.#windowEnd = performance.now() + WINDOW_MS;
      this.#left = WINDOW_MESSAGES;
    }
    this.#left -= messages;
  }
}
