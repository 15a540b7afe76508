import type { CursorImage as XCursorImage } from 'x11';
import type { Logger } from 'pino';
import { CURSOR_PNG_MAX_BYTES } from '../../input/data-channel.ts';
import { encodePng } from './png.ts';
import type { XDisplay } from './x11.ts';

const DISPLAY_CURSOR = 1;
// Encoded images by X's serial; the oldest goes first.
const CACHE_MAX = 300;

/** The pointer's picture, as clients draw it themselves. */
export interface CursorImage {
  width: number;
  height: number;
  hotX: number;
  hotY: number;
  png: Uint8Array<ArrayBuffer>;
}

/** Watches the desktop's cursor and tells where the pointer is. */
export class Cursor {
  readonly #display: XDisplay;
  readonly #logger: Logger;
  readonly #listeners = new Set<(image: CursorImage) => void>();
  readonly #cache = new Map<number, CursorImage>();
  readonly #stopWatching: () => void;
  #serial = 0;

  constructor(display: XDisplay, logger: Logger) {
    this.#display = display;
    this.#logger = logger;
    this.#stopWatching = display.on('CursorNotify', (event) => {
      this.#serial = event.cursorSerial;
      if (this.#listeners.size > 0) void this.#tellAll(event.cursorSerial);
    });
    display.tell(() => display.xfixes.SelectCursorInput(display.root, DISPLAY_CURSOR));
  }

  /** Calls `listener` with each new image, until the returned function is called. */
  watch(listener: (image: CursorImage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The image now. Rejects when the X server is gone. */
  async image(): Promise<CursorImage> {
    const cached = this.#cache.get(this.#serial);
    if (cached !== undefined) return cached;
    const { xfixes } = this.#display;
    const image = await this.#display.ask<XCursorImage>((done) => xfixes.GetCursorImage(done));
    return this.#encode(image);
  }

  /** Where the pointer is, in pixels. */
  async position(): Promise<{ x: number; y: number }> {
    const { client, root } = this.#display;
    const pointer = await this.#display.ask<{ rootX: number; rootY: number }>((done) =>
      client.QueryPointer(root, done),
    );
    return { x: Math.max(0, pointer.rootX), y: Math.max(0, pointer.rootY) };
  }

  close(): void {
    this.#stopWatching();
    this.#listeners.clear();
  }

  async #tellAll(serial: number): Promise<void> {
    try {
      const image = await this.image();
      // A newer cursor came while this one was fetched: its own event tells of it.
      if (serial !== this.#serial) return;
      for (const listener of this.#listeners) listener(image);
    } catch (error) {
      this.#logger.debug({ err: error }, 'no cursor image');
    }
  }

  #encode(image: XCursorImage): CursorImage {
    const encoded = {
      width: image.width,
      height: image.height,
      hotX: image.xhot,
      hotY: image.yhot,
      png: encodePng(image.width, image.height, image.cursorImage),
    };
    if (encoded.png.length > CURSOR_PNG_MAX_BYTES) throw new Error(`a cursor of ${encoded.png.length} bytes`);
    this.#cache.set(image.cursorSerial, encoded);
    if (this.#cache.size > CACHE_MAX) {
      const [oldest] = this.#cache.keys();
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    return encoded;
  }
}
