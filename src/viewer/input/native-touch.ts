import type { Point } from '../geometry.ts';
import type { Finger, FingerReader, TouchDeps } from './touch.ts';

/** X touch devices know ten; more are left out. */
const FINGERS_MAX = 10;
const PRESSURE_MAX = 255;

/** Passes fingers on as they are. A touch gets the smallest number that is free, as devices count. */
export class NativeTouch implements FingerReader {
  readonly #deps: Pick<TouchDeps, 'locate' | 'send'>;
  /** What is down: where it was last, by the browser's own number. */
  readonly #touches = new Map<number, { readonly touchId: number; last: Point }>();

  constructor(deps: Pick<TouchDeps, 'locate' | 'send'>) {
    this.#deps = deps;
  }

  down(finger: Finger): void {
    const taken = new Set([...this.#touches.values()].map(({ touchId }) => touchId));
    const touchId = Array.from({ length: FINGERS_MAX }, (_, index) => index).find((index) => !taken.has(index));
    if (touchId === undefined) return;
    const last = this.#deps.locate(finger.at.x, finger.at.y);
    this.#touches.set(finger.id, { touchId, last });
    this.#deps.send({ type: 'touch', phase: 'begin', touchId, ...last, pressure: pressureOf(finger) });
  }

  move(finger: Finger): void {
    const touch = this.#touches.get(finger.id);
    if (touch === undefined) return;
    const at = this.#deps.locate(finger.at.x, finger.at.y);
    if (at.x === touch.last.x && at.y === touch.last.y) return;
    touch.last = at;
    const { touchId } = touch;
    this.#deps.send({ type: 'touch', phase: 'update', touchId, ...at, pressure: pressureOf(finger) });
  }

  up(finger: Finger): void {
    const touch = this.#touches.get(finger.id);
    if (touch === undefined) return;
    this.#touches.delete(finger.id);
    this.#end(touch.touchId, this.#deps.locate(finger.at.x, finger.at.y));
  }

  cancel(): void {
    for (const { touchId, last } of this.#touches.values()) this.#end(touchId, last);
    this.#touches.clear();
  }

  #end(touchId: number, at: Point): void {
    this.#deps.send({ type: 'touch', phase: 'end', touchId, ...at, pressure: 0 });
  }
}

/** Screens that cannot tell say 0. */
function pressureOf({ pressure }: Finger): number {
  return pressure === 0 ? PRESSURE_MAX : Math.max(1, Math.round(pressure * PRESSURE_MAX));
}
