import type { Readable } from 'node:stream';

/** Reads a stream piece by piece, with the wish to look at what comes before taking it. One piece at most waits here: the rest waits at its sender. */
export class ByteReader {
  readonly #stream: Readable;
  readonly #pieces: AsyncIterator<Buffer>;
  #held: Buffer | undefined;
  #next: Promise<Buffer | undefined> | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    const pieces: AsyncIterable<Buffer> = stream.iterator({ destroyOnReturn: false });
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next bytes, which stay where they are; undefined at the end. Rejects when the stream fails. */
  peek(): Promise<Buffer | undefined> {
    if (this.#held !== undefined) return Promise.resolve(this.#held);
    this.#next ??= this.#pull();
    return this.#next;
  }

  /** The next bytes; undefined at the end. Rejects when the stream fails. */
  async read(): Promise<Buffer | undefined> {
    const piece = await this.peek();
    this.#next = undefined;
    this.#held = undefined;
    return piece;
  }

  /** Puts bytes back, before all others. */
  unread(bytes: Buffer): void {
    if (bytes.length > 0) this.#held = this.#held === undefined ? bytes : Buffer.concat([bytes, this.#held]);
  }

  /**
   * Gives the stream itself back, for what follows in bulk; the reader is of no more use. Only after a `read`, and when nothing was put back.
   * Read by pieces a stream joins all that waits into one first, which costs a fifth of a fast transfer.
   */
  async release(): Promise<Readable> {
    await this.#pieces.return?.();
    return this.#stream;
  }

  async #pull(): Promise<Buffer | undefined> {
    const { value, done } = await this.#pieces.next();
    return done === true ? undefined : value;
  }
}
