import type { GstProcess } from './gst-process.ts';

// Until then the encoder still sharpens what changed last.
const AWAKE_MS = 1000;
// A viewer that lost the end of the last change, or joined, isn't left with it; and one can see that we live.
const REFRESH_MS = 1000;

/**
 * Lets a capturing pipeline sleep while nothing changes: grabbing, converting and encoding the same picture again takes
 * a fifth of a core. gst-launch has no way to be told, so the process is stopped and continued as a whole: it then
 * costs nothing, and goes on with the next frame at once.
 */
export class Doze {
  readonly #process: GstProcess;
  readonly #stopWatching: () => void;
  #timer: NodeJS.Timeout | undefined;
  #awakeUntil = 0;
  #state: 'starting' | 'awake' | 'asleep' | 'refreshing' | 'closed' = 'starting';

  /** `watchChanges` calls its listener when the picture changes, until what it returns is called. */
  constructor(process: GstProcess, watchChanges: (listener: () => void) => () => void) {
    this.#process = process;
    this.#stopWatching = watchChanges(() => this.wake());
  }

  /** The picture changes, or somebody needs frames: they flow until that is over for a while. */
  wake(): void {
    this.#awakeUntil = performance.now() + AWAKE_MS;
    if (this.#state !== 'asleep' && this.#state !== 'refreshing') return;
    if (this.#state === 'asleep') this.#process.resume();
    this.#state = 'awake';
    this.#wait(AWAKE_MS);
  }

  /** A whole frame came out. */
  frameCame(): void {
    if (this.#state === 'starting') {
      this.#state = 'awake';
      this.#awakeUntil = performance.now() + AWAKE_MS;
      this.#wait(AWAKE_MS);
    } else if (this.#state === 'refreshing') {
      this.#sleep();
    }
  }

  /** Leaves the process running. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#stopWatching();
    this.#process.resume();
  }

  #sleep(): void {
    this.#state = 'asleep';
    this.#process.pause();
    this.#wait(REFRESH_MS);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#proceed(), ms);
  }

  #proceed(): void {
    if (this.#state === 'asleep') {
      this.#state = 'refreshing';
      this.#process.resume();
      // Should no frame come, it is as if it were awake.
      this.#wait(AWAKE_MS);
      return;
    }
    const left = this.#awakeUntil - performance.now();
    if (this.#state === 'awake' && left > 0) this.#wait(left);
    else this.#sleep();
  }
}
