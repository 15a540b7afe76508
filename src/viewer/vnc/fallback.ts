import { backoffDelayMs } from '../backoff.ts';
import type { VncListener, VncPicture } from './picture.ts';

export interface FallbackOptions {
  /** Opens a connection by VNC. */
  dial(): WebSocket;
  /** Shows a desktop by it. */
  open(dial: () => WebSocket, listener: VncListener): VncPicture;
  /** `isShown` is another. */
  changed(): void;
}

/** `soon`: WebRTC is at it, and has some time; `now`: it has failed. */
export type Wanted = 'no' | 'soon' | 'now';

/** Time that WebRTC has for a picture before one by VNC is opened beside it. Where it works it takes well under a second. */
const FALLBACK_AFTER_MS = 3000;
/** Closes after which another try makes no difference: the session has no VNC server, or this viewer may not have it. */
const HOPELESS = new Set(['VNC_NOT_AVAILABLE', 'FORBIDDEN', 'ORIGIN_REFUSED']);
/** A connection that could not even be opened so often is not tried again: a gateway or proxy without this way. */
const REFUSALS_MAX = 3;

/**
 * The picture by VNC that stands in while there is none by WebRTC, which goes on being tried: a better way is taken as soon as it
 * works. Input doesn't come by here; it goes over the signaling socket, by which control and clipboard are kept.
 */
export class Fallback {
  readonly #options: FallbackOptions;
  #state: 'idle' | 'waiting' | 'opening' | 'shown' | 'hopeless' = 'idle';
  #timer: ReturnType<typeof setTimeout> | undefined;
  #picture: VncPicture | undefined;
  #attempt = 0;
  #refusals = 0;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  get isShown(): boolean {
    return this.#state === 'shown';
  }

  /** To be told whenever that may be another. */
  want(wanted: Wanted): void {
    if (this.#state === 'hopeless') return;
    if (wanted === 'no') this.stop();
    else if (this.#state === 'idle') this.#wait(wanted === 'now' ? 0 : FALLBACK_AFTER_MS);
    else if (this.#state === 'waiting' && wanted === 'now' && this.#attempt === 0) this.#open();
  }

  /**
   * The link was lost, and there is one again. A connection by the old one may be dead without a word: a browser sends nothing on it while
   * nothing comes, so that it would show its last picture for good.
   */
  renew(): void {
    if (this.#state !== 'opening' && this.#state !== 'shown') return;
    this.#picture?.close();
    this.#open();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#picture?.close();
    this.#picture = undefined;
    this.#attempt = 0;
    this.#refusals = 0;
    if (this.#state !== 'hopeless') this.#state = 'idle';
  }

  #wait(ms: number): void {
    this.#state = 'waiting';
    this.#timer = setTimeout(() => this.#open(), ms);
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#state = 'opening';
    let reason = '';
    let isOpened = false;
    const dial = (): WebSocket => {
      const socket = this.#options.dial();
      socket.addEventListener('open', () => (isOpened = true));
      socket.addEventListener('close', (close) => (reason = close.reason));
      return socket;
    };
    this.#picture = this.#options.open(dial, {
      shown: () => {
        this.#state = 'shown';
        this.#attempt = 0;
        this.#options.changed();
      },
      ended: () => {
        this.#picture = undefined;
        this.#refusals = isOpened ? 0 : this.#refusals + 1;
        if (HOPELESS.has(reason) || this.#refusals >= REFUSALS_MAX) this.#state = 'hopeless';
        else {
          this.#attempt += 1;
          this.#wait(backoffDelayMs(this.#attempt));
        }
        this.#options.changed();
      },
    });
  }
}
