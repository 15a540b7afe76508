/** What is known of the stream at one moment. */
export interface StallSample {
  readonly atMs: number;
  readonly framesDecoded: number;
  readonly packetsReceived: number;
  /** When the last packet came. */
  readonly heardAtMs: number;
  /** When this viewer last drove the desktop in a way that should be seen; undefined if never. */
  readonly droveAtMs: number | undefined;
}

/** `ask`: the picture should have moved and did not, so ask for a key frame; `stalled`: that brought nothing either. */
export type StallVerdict = 'fine' | 'ask' | 'stalled';

/** No frame for this long, with a reason to expect one. */
const STILL_MAX_MS = 5000;
/** A key frame that was asked for comes well within this. */
const ANSWER_MAX_MS = 5000;
/** Fewer packets than this without a frame are padding and probes. */
const PACKETS_MIN = 10;

/**
 * Tells a picture that is stuck from a desktop on which nothing moves, for which streamers may send nothing at all: it is stuck
 * when packets come and no frame, or when this viewer pressed something and no frame came since. Pure: fed with samples.
 */
export class StallWatch {
  #last: StallSample | undefined;
  /** The sample with the latest frame, which came with the last packet before it. */
  #moved: StallSample | undefined;
  /** When the desktop was first driven after that frame. */
  #unansweredAtMs: number | undefined;
  #askedAtMs: number | undefined;

  observe(sample: StallSample): StallVerdict {
    const hasMoved = this.#last === undefined || sample.framesDecoded !== this.#last.framesDecoded;
    this.#last = sample;
    if (hasMoved || this.#moved === undefined) {
      this.#moved = sample;
      this.#unansweredAtMs = undefined;
      this.#askedAtMs = undefined;
      return 'fine';
    }
    if (this.#askedAtMs !== undefined) return sample.atMs - this.#askedAtMs >= ANSWER_MAX_MS ? 'stalled' : 'fine';
    if (!this.#shouldMove(sample, this.#moved)) return 'fine';
    this.#askedAtMs = sample.atMs;
    return 'ask';
  }

  /** Whether a frame was asked for and has not come. */
  get isWaiting(): boolean {
    return this.#askedAtMs !== undefined;
  }

  /** Another stream begins. */
  reset(): void {
    this.#last = undefined;
    this.#moved = undefined;
    this.#unansweredAtMs = undefined;
    this.#askedAtMs = undefined;
  }

  #shouldMove(sample: StallSample, moved: StallSample): boolean {
    const isUndecoded =
      sample.packetsReceived - moved.packetsReceived >= PACKETS_MIN && sample.atMs - moved.atMs >= STILL_MAX_MS;
    const { droveAtMs } = sample;
    // Whoever sees nothing presses again and again: the first press counts.
    if (droveAtMs !== undefined && droveAtMs > moved.heardAtMs) this.#unansweredAtMs ??= droveAtMs;
    const isUnanswered = this.#unansweredAtMs !== undefined && sample.atMs - this.#unansweredAtMs >= STILL_MAX_MS;
    return isUndecoded || isUnanswered;
  }
}
