/** What bytes come from: a TCP socket or a WebSocket. */
export interface FlowSource {
  pause(): unknown;
  resume(): unknown;
}

export interface FlowOptions {
  /** Bytes that may wait before the source is read no further. */
  queueBytes: number;
  /** Called once when nothing of what waits was taken for so long. */
  stallMs: number;
  onStall: () => void;
}

/** One direction of a byte stream: keeps its source from running ahead of whoever reads its bytes. Nothing is ever dropped. */
export class Flow {
  readonly #source: FlowSource;
  readonly #options: FlowOptions;
  readonly #emptied = new Set<() => void>();
  #bytes = 0;
  #queued = 0;
  #stall: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(source: FlowSource, options: FlowOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** All that was passed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Has `length` bytes written by `write`, which must call back once they are out of this process, or never will be. Does nothing once it was ended. */
  pass(length: number, write: (done: () => void) => void): void {
    if (this.#isEnded) return;
    this.#bytes += length;
    this.#queued += length;
    write(() => this.#taken(length));
    if (this.#queued < this.#options.queueBytes || this.#stall) return;
    this.#source.pause();
    this.#stall = setTimeout(() => {
      if (!this.#isEnded) this.#options.onStall();
    }, this.#options.stallMs);
  }

  /** Resolves once nothing waits any more, or it was ended. */
  emptied(): Promise<void> {
    if (this.#queued === 0 || this.#isEnded) return Promise.resolve();
    return new Promise((resolve) => void this.#emptied.add(resolve));
  }

  /** Nothing is passed any more, and the source is left as it is. Idempotent. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#stall);
    this.#tellEmptied();
  }

  #taken(length: number): void {
    this.#queued -= length;
    if (this.#isEnded) return;
    if (this.#queued === 0) this.#tellEmptied();
    if (!this.#stall) return;
    if (this.#queued >= this.#options.queueBytes) {
      this.#stall.refresh();
      return;
    }
    clearTimeout(this.#stall);
    this.#stall = undefined;
    this.#source.resume();
  }

  #tellEmptied(): void {
    for (const resolve of this.#emptied) resolve();
    this.#emptied.clear();
  }
}
