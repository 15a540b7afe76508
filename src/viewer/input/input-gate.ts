import type { InputEvent } from '../../input/data-channel.ts';

/** With more waiting, moves of the pointer are left out; presses and releases are kept, or keys would stick. */
const WAITING_MAX = 256;

/** Lets input through in its order, and holds it back while something that it builds on is still on its way. */
export class InputGate {
  readonly #pass: (event: InputEvent) => void;
  readonly #waiting: InputEvent[] = [];
  #holds = 0;

  constructor(pass: (event: InputEvent) => void) {
    this.#pass = pass;
  }

  send(event: InputEvent): void {
    if (this.#holds === 0) this.#pass(event);
    else if (event.type !== 'move' || this.#waiting.length < WAITING_MAX) this.#waiting.push(event);
  }

  /** Holds back what comes from now on until `done` settles; `done` has a limit of its own. */
  async hold(done: Promise<void>): Promise<void> {
    this.#holds += 1;
    try {
      await done;
    } finally {
      this.#holds -= 1;
      if (this.#holds === 0) for (const event of this.#waiting.splice(0)) this.#pass(event);
    }
  }
}
