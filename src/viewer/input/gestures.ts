import type { Point } from '../geometry.ts';
import type { Finger, FingerReader, TouchDeps } from './touch.ts';
import { WheelSender } from './wheel-sender.ts';

/** A finger that moves less is held still, in pixels of the window. */
const STILL_MAX_PIXELS = 10;
const LONG_PRESS_MS = 500;
/** A second tap this soon and this near is meant for the same place, or no double click would come of it. */
const DOUBLE_TAP_MS = 400;
const DOUBLE_TAP_PIXELS = 24;
const LEFT = 1;
const RIGHT = 3;

type Stage =
  | { readonly name: 'idle' }
  /** One finger is down, and may become anything. */
  | { readonly name: 'pressed'; readonly at: Point; readonly timer: ReturnType<typeof setTimeout> }
  | { readonly name: 'dragging'; readonly id: number }
  | { readonly name: 'scrolling'; last: Point }
  /** Done: what the fingers do until the last is up means nothing. */
  | { readonly name: 'over' };

/**
 * Reads fingers as what a mouse would do: a tap is a click, a long press a right click, a drag drags, and two fingers scroll.
 */
export class Gestures implements FingerReader {
  readonly #deps: Pick<TouchDeps, 'locate' | 'send'>;
  readonly #wheel: WheelSender;
  readonly #fingers = new Map<number, Point>();
  #stage: Stage = { name: 'idle' };
  #lastTap: { readonly at: Point; readonly timeMs: number } | undefined;

  constructor(deps: Pick<TouchDeps, 'locate' | 'send'>) {
    this.#deps = deps;
    this.#wheel = new WheelSender((event) => deps.send(event));
  }

  down(finger: Finger): void {
    this.#fingers.set(finger.id, finger.at);
    if (this.#stage.name === 'idle') {
      const timer = setTimeout(() => this.#rightClick(finger.at), LONG_PRESS_MS);
      this.#stage = { name: 'pressed', at: finger.at, timer };
    } else if (this.#stage.name === 'pressed' && this.#fingers.size === 2) {
      this.#moveTo(this.#stage.at);
      this.#enter({ name: 'scrolling', last: this.#middle() });
    }
  }

  move(finger: Finger): void {
    this.#fingers.set(finger.id, finger.at);
    const stage = this.#stage;
    if (stage.name === 'pressed' && distance(stage.at, finger.at) > STILL_MAX_PIXELS) {
      this.#moveTo(stage.at);
      this.#press(LEFT, true);
      this.#enter({ name: 'dragging', id: finger.id });
      this.#moveTo(finger.at);
    } else if (stage.name === 'dragging' && stage.id === finger.id) this.#moveTo(finger.at);
    else if (stage.name === 'scrolling') {
      const middle = this.#middle();
      // Fingers push what is under them, a wheel moves the view over it.
      const delta = { deltaX: stage.last.x - middle.x, deltaY: stage.last.y - middle.y, deltaMode: 0 };
      this.#wheel.add(delta, finger.timeMs, false);
      stage.last = middle;
    }
  }

  up(finger: Finger): void {
    this.#fingers.delete(finger.id);
    const stage = this.#stage;
    if (stage.name === 'pressed') this.#tap(stage.at, finger.timeMs);
    if (stage.name === 'dragging' && stage.id === finger.id) {
      this.#moveTo(finger.at);
      this.#press(LEFT, false);
    }
    if (stage.name !== 'dragging' || stage.id === finger.id) this.#enter({ name: 'over' });
    if (this.#fingers.size === 0) this.#enter({ name: 'idle' });
  }

  cancel(): void {
    if (this.#stage.name === 'dragging') this.#press(LEFT, false);
    this.#fingers.clear();
    this.#wheel.stop();
    this.#enter({ name: 'idle' });
  }

  #tap(at: Point, timeMs: number): void {
    const before = this.#lastTap;
    const isSecond =
      before !== undefined && timeMs - before.timeMs < DOUBLE_TAP_MS && distance(before.at, at) < DOUBLE_TAP_PIXELS;
    const place = isSecond ? before.at : at;
    this.#lastTap = { at: place, timeMs };
    this.#moveTo(place);
    this.#press(LEFT, true);
    this.#press(LEFT, false);
  }

  #rightClick(at: Point): void {
    this.#moveTo(at);
    this.#press(RIGHT, true);
    this.#press(RIGHT, false);
    this.#enter({ name: 'over' });
  }

  #enter(stage: Stage): void {
    if (this.#stage.name === 'pressed') clearTimeout(this.#stage.timer);
    this.#stage = stage;
  }

  #moveTo(at: Point): void {
    this.#deps.send({ type: 'move', ...this.#deps.locate(at.x, at.y) });
  }

  #press(button: number, down: boolean): void {
    this.#deps.send({ type: 'button', down, button });
  }

  #middle(): Point {
    const all = [...this.#fingers.values()];
    const sum = all.reduce((total, at) => ({ x: total.x + at.x, y: total.y + at.y }), { x: 0, y: 0 });
    return { x: sum.x / all.length, y: sum.y / all.length };
  }
}

function distance(from: Point, to: Point): number {
  return Math.hypot(to.x - from.x, to.y - from.y);
}
