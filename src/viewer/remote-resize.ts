import type { Size } from './geometry.ts';
import type { Screen } from './messages.ts';

export interface RemoteResizeDeps {
  /** Whether the desktop is to follow the element now. */
  isWanted(): boolean;
  /** The room that there is for the picture, in CSS pixels. */
  room(): Size;
  screen(): Screen;
  ask(screen: Screen): void;
}

/** A window that is dragged larger changes its size many times a second, and each new screen rearranges the whole desktop. */
const SETTLED_MS = 400;
/** Modes of X screens are made of columns of 8 pixels (VESA CVT); encoders want even lines. */
const WIDTH_STEP = 8;
const HEIGHT_STEP = 2;
const MIN: Size = { width: 320, height: 240 };
const MAX: Size = { width: 3840, height: 2160 };

/** Gives the desktop the element's size, once that has settled. One desktop pixel is one CSS pixel, so that text stays readable. */
export class RemoteResize {
  readonly #deps: RemoteResizeDeps;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(deps: RemoteResizeDeps) {
    this.#deps = deps;
  }

  /** The room, or whether it counts, may have changed. */
  update(): void {
    clearTimeout(this.#timer);
    if (this.#deps.isWanted()) this.#timer = setTimeout(() => this.#ask(), SETTLED_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #ask(): void {
    if (!this.#deps.isWanted()) return;
    const screen = this.#deps.screen();
    const room = screenFor(this.#deps.room());
    if (room === undefined || (room.width === screen.width && room.height === screen.height)) return;
    this.#deps.ask({ ...room, rate: screen.rate });
  }
}

/** The screen that fills a room; undefined for one that nobody can see. */
export function screenFor(room: Size): Size | undefined {
  if (room.width < 1 || room.height < 1) return undefined;
  return {
    width: fitted(room.width, MIN.width, MAX.width, WIDTH_STEP),
    height: fitted(room.height, MIN.height, MAX.height, HEIGHT_STEP),
  };
}

function fitted(pixels: number, min: number, max: number, step: number): number {
  return Math.max(min, Math.min(max, Math.floor(pixels / step) * step));
}
