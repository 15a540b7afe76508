import type { FromClientEvent } from '../signaling/messages.ts';

export interface ClipboardSyncDeps {
  send(event: FromClientEvent, payload?: object): boolean;
  /** Whether this viewer may set the desktop's clipboard now: its access allows it, and it has control. */
  isAllowed(): boolean;
  /** Another text is on the desktop's clipboard. */
  changed(text: string): void;
}

/** The gateway closes a connection for a frame of 1 MiB; escapes can make a text six times as long. */
const FRAME_MAX_BYTES = 1_000_000;
/** A streamer tells of a clipboard that it set well within this; one that doesn't has it set by then all the same. */
const ECHO_MAX_MS = 400;

/** The desktop's clipboard as this viewer knows it. */
export class ClipboardSync {
  readonly #deps: ClipboardSyncDeps;
  #text: string | undefined;
  #waiting: { readonly text: string; readonly done: () => void } | undefined;

  constructor(deps: ClipboardSyncDeps) {
    this.#deps = deps;
  }

  /** The last text that the desktop told of; undefined while none was. */
  get text(): string | undefined {
    return this.#text;
  }

  receive(text: string): void {
    if (this.#waiting?.text === text) {
      // Our own text coming back: nothing to copy here, it came from here.
      this.#text = text;
      this.#waiting.done();
      return;
    }
    if (this.#text === text) return;
    this.#text = text;
    this.#deps.changed(text);
  }

  /**
   * Puts a text on the desktop's clipboard; undefined where that cannot be done now, else resolves once a paste there gives
   * it. The clipboard goes over the signaling socket and keys over the data channel, so that a paste has to wait for it.
   */
  offer(text: string): Promise<void> | undefined {
    if (text === '' || !this.#deps.isAllowed()) return undefined;
    if (this.#text === text) return Promise.resolve();
    if (new TextEncoder().encode(JSON.stringify(text)).length > FRAME_MAX_BYTES) return undefined;
    if (!this.#deps.send('clipboard/set', { text })) return undefined;
    this.#waiting?.done();
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiting.done(), ECHO_MAX_MS);
      const waiting = {
        text,
        done: () => {
          clearTimeout(timer);
          if (this.#waiting === waiting) this.#waiting = undefined;
          resolve();
        },
      };
      this.#waiting = waiting;
    });
  }

  /** Control is gone: others may change the clipboard without this viewer being told. */
  forget(): void {
    this.#text = undefined;
    this.#waiting?.done();
  }
}
