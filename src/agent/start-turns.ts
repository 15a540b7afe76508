import { availableParallelism } from 'node:os';
import { GatewayError } from '../errors.ts';

/** A desktop's start keeps a processor busy for seconds; more starts than processors only make each slower, until all of them are too late. */
export const STARTS_AT_ONCE = Math.max(2, availableParallelism());
/** Starts that may wait; one more is refused with SESSION_LIMIT. Fewer than the commands that an agent takes, so that a stop is always heard. */
export const STARTS_WAITING_MAX = 128;

interface Waiting {
  begin: () => void;
  onWait: (startsBefore: number) => void;
}

/** Lets so many starts go on at once, and the others one after the other in the order in which they came. */
export class StartTurns {
  readonly #atOnce: number;
  /** Only filled while every turn is taken. */
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /**
   * Resolves with a turn, for its holder to dispose of. `onWait` is told how many starts must end before its own when there are any,
   * then at each change, and 0 when its turn has come.
   * @throws GatewayError SESSION_LIMIT, or the signal's reason, and then it is out of the queue
   */
  async take(signal: AbortSignal, onWait: (startsBefore: number) => void): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#taken < this.#atOnce) this.#taken += 1;
    else await this.#wait(signal, onWait);
    return { [Symbol.dispose]: () => this.#release() };
  }

  async #wait(signal: AbortSignal, onWait: (startsBefore: number) => void): Promise<void> {
    if (this.#waiting.length >= STARTS_WAITING_MAX)
      throw new GatewayError(
        'SESSION_LIMIT',
        `this host has ${STARTS_WAITING_MAX} sessions that wait for their start; try again in a moment`,
      );
    const { promise, resolve: begin, reject } = Promise.withResolvers<void>();
    const waiting = { begin, onWait };
    const leave = (): void => {
      const index = this.#waiting.indexOf(waiting);
      // It has just been given its turn, and whoever uses that looks at the signal too.
      if (index === -1) return;
      this.#waiting.splice(index, 1);
      this.#tell(index);
      reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    onWait(this.#waiting.push(waiting));
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (!next) {
      this.#taken -= 1;
      return;
    }
    next.onWait(0);
    next.begin();
    this.#tell(0);
  }

  #tell(from: number): void {
    for (const [index, { onWait }] of this.#waiting.entries()) if (index >= from) onWait(index + 1);
  }
}
