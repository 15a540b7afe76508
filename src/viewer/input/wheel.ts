// neko counts a wheel in clicks: positive is up, and positive deltaX is to the left as X counts (button 6). Browsers count in
// pixels, down and to the right. Source: neko's server/pkg/xorg/xorg.c, XScroll, at baf21c1.

export interface WheelDelta {
  readonly deltaX: number;
  readonly deltaY: number;
  /** 0 pixels, 1 lines, 2 pages, as in the DOM. */
  readonly deltaMode: number;
}

export interface WheelClicks {
  readonly deltaX: number;
  readonly deltaY: number;
}

/** neko's own client sends at most one scroll in this time; clicks in between are added up. */
export const WHEEL_INTERVAL_MS = 100;
/** The most clicks of one message, as neko's own client has it; what is beyond is dropped, so that a fling ends when the hand does. */
export const WHEEL_CLICKS_MAX = 10;

/** What Chromium scrolls by for one click of an X wheel, so that a touchpad moves the desktop as far as it moves a page here. */
const PIXELS_PER_CLICK = 53;
const LINES_PER_CLICK = 3;
const CLICKS_PER_PAGE = 10;
/** One notch of a wheel in pixels: Chromium's and Windows' 120, Safari's and older Chromium's 100. */
const NOTCH_PIXELS = [120, 100];
/** A rest of a click older than this belongs to another movement. */
const REST_FORGOTTEN_MS = 250;

/** Adds up wheel events into whole clicks with neko's sign. Keeps no timer: the caller gives the time and decides when to take. */
export class WheelCounter {
  #x = 0;
  #y = 0;
  #lastAtMs = Number.NEGATIVE_INFINITY;

  add(delta: WheelDelta, atMs: number): void {
    if (atMs - this.#lastAtMs > REST_FORGOTTEN_MS) this.reset();
    this.#lastAtMs = atMs;
    this.#x = joined(this.#x, clicksOf(delta.deltaX, delta.deltaMode));
    this.#y = joined(this.#y, clicksOf(delta.deltaY, delta.deltaMode));
  }

  /** The whole clicks so far; undefined when there is none. The rest of a click stays. */
  take(): WheelClicks | undefined {
    const x = whole(this.#x);
    const y = whole(this.#y);
    if (x === 0 && y === 0) return undefined;
    this.#x -= x;
    this.#y -= y;
    return { deltaX: -clamped(x) + 0, deltaY: -clamped(y) + 0 };
  }

  reset(): void {
    this.#x = 0;
    this.#y = 0;
  }
}

/** Turning round forgets the rest of a click in the other direction, which would swallow the first movement. */
function joined(sum: number, clicks: number): number {
  return Math.sign(sum) * Math.sign(clicks) < 0 ? whole(sum) + clicks : sum + clicks;
}

function clicksOf(delta: number, mode: number): number {
  if (mode === 1) return delta / LINES_PER_CLICK;
  if (mode === 2) return delta * CLICKS_PER_PAGE;
  const notch = delta === 0 ? undefined : NOTCH_PIXELS.find((pixels) => delta % pixels === 0);
  return delta / (notch ?? PIXELS_PER_CLICK);
}

/** Fractions of a click don't add up exactly; what is as good as a whole one counts. */
function whole(clicks: number): number {
  return Math.trunc(clicks + Math.sign(clicks) * 1e-9);
}

function clamped(clicks: number): number {
  return Math.max(-WHEEL_CLICKS_MAX, Math.min(WHEEL_CLICKS_MAX, clicks));
}
