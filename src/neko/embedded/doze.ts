import { setTimeout as sleep } from 'node:timers/promises';
import type { GstProcess } from './gst-process.ts';

// Until then the encoder still sharpens what changed last.
const AWAKE_MS = 1000;
// A viewer that lost the end of the last change, or joined, isn't left with it; and one can see that we live.
const REFRESH_MS = 1000;
// An X server that doesn't answer for so long is held by the process that was stopped.
const HELD_MS = 50;

/** The picture that is captured. */
export interface DozeScreen {
  /** Calls `listener` when it changes, until the returned function is called. */
  watch(listener: () => void): () => void;
  /** Resolves once its server answers; rejects when that is gone. */
  answered(): Promise<void>;
}

/**
 * Lets a capturing pipeline sleep while nothing changes: grabbing, converting and encoding the same picture again takes
 * a fifth of a core. gst-launch has no way to be told, so the process is stopped and continued as a whole: it then
 * costs nothing, and goes on with the next frame at once. Stopped in the middle of a capture it would hold the X server, and with it every
 * program on the desktop (one stop in thirty at random moments, with ximagesrc 1.22): it is stopped right after a frame, and goes on where that still happens.
 */
export class Doze {
  readonly #process: Pick<GstProcess, 'pause' | 'resume'>;
  readonly #screen: DozeScreen;
  readonly #stopWatching: () => void;
  #timer: NodeJS.Timeout | undefined;
  #awakeUntil = 0;
  #state: 'starting' | 'awake' | 'frame-wanted' | 'asleep' | 'closed' = 'starting';

  constructor(process: Pick<GstProcess, 'pause' | 'resume'>, screen: DozeScreen) {
    this.#process = process;
    this.#screen = screen;
    this.#stopWatching = screen.watch(() => this.wake());
  }

  /** The picture changes, or somebody needs frames: they flow until that is over for a while. */
  wake(): void {
    this.#awakeUntil = performance.now() + AWAKE_MS;
    if (this.#state !== 'asleep' && this.#state !== 'frame-wanted') return;
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
    } else if (this.#state === 'frame-wanted') {
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
    void this.#goOnIfHolding();
  }

  async #goOnIfHolding(): Promise<void> {
    const answer = this.#screen.answered().then(
      () => false,
      // Who is gone is held by nobody.
      () => false,
    );
    const isHeld = await Promise.race([answer, sleep(HELD_MS, true)]);
    if (isHeld && this.#state === 'asleep') this.#wantFrame();
  }

  /** It sleeps with the next frame. */
  #wantFrame(): void {
    clearTimeout(this.#timer);
    if (this.#state === 'asleep') this.#process.resume();
    this.#state = 'frame-wanted';
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#proceed(), ms);
  }

  #proceed(): void {
    const left = this.#awakeUntil - performance.now();
    if (this.#state === 'awake' && left > 0) this.#wait(left);
    else this.#wantFrame();
  }
}
