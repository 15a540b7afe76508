import type { InputEvent } from '../../input/data-channel.ts';
import type { Point } from '../geometry.ts';
import { Gestures } from './gestures.ts';
import { NativeTouch } from './native-touch.ts';

export interface TouchDeps {
  /** The desktop pixel under a point of the window. */
  locate(clientX: number, clientY: number): Point;
  takesInput(): boolean;
  send(event: InputEvent): void;
  /** A press begins; true when input may follow. */
  pressed(): boolean;
  /** Whether fingers go to the desktop as they are; else as what a mouse would do. */
  isNative(): boolean;
}

/** One finger: `at` in pixels of the window. */
export interface Finger {
  readonly id: number;
  readonly at: Point;
  readonly pressure: number;
  readonly timeMs: number;
}

/** What fingers on the picture do on the desktop. */
export interface FingerReader {
  down(finger: Finger): void;
  move(finger: Finger): void;
  up(finger: Finger): void;
  /** The browser or the viewer took the fingers away: nothing more comes of them. */
  cancel(): void;
}

/** Fingers on `surface`. How they are read is settled when the first comes down, and stays until the last is up. */
export class Touch {
  readonly #surface: HTMLElement;
  readonly #deps: TouchDeps;
  readonly #listening = new AbortController();
  readonly #native: FingerReader;
  readonly #gestures: FingerReader;
  readonly #fingers = new Set<number>();
  #reader: FingerReader;

  constructor(surface: HTMLElement, deps: TouchDeps) {
    this.#surface = surface;
    this.#deps = deps;
    this.#native = new NativeTouch(deps);
    this.#gestures = new Gestures(deps);
    this.#reader = this.#gestures;
    const { signal } = this.#listening;
    surface.addEventListener('pointerdown', (event) => this.#down(event), { signal });
    surface.addEventListener('pointermove', (event) => this.#move(event), { signal });
    surface.addEventListener('pointerup', (event) => this.#up(event), { signal });
    surface.addEventListener('pointercancel', (event) => this.#cancel(event), { signal });
    window.addEventListener('blur', () => this.releaseAll(), { signal });
    window.addEventListener('pagehide', () => this.releaseAll(), { signal });
    document.addEventListener('visibilitychange', () => this.releaseAll(), { signal });
  }

  releaseAll(): void {
    this.#fingers.clear();
    this.#reader.cancel();
  }

  stop(): void {
    this.releaseAll();
    this.#listening.abort();
  }

  #down(event: PointerEvent): void {
    if (event.pointerType !== 'touch' || !this.#deps.pressed()) return;
    event.preventDefault();
    this.#surface.setPointerCapture(event.pointerId);
    if (this.#fingers.size === 0) this.#reader = this.#deps.isNative() ? this.#native : this.#gestures;
    this.#fingers.add(event.pointerId);
    this.#reader.down(fingerOf(event));
  }

  #move(event: PointerEvent): void {
    if (this.#fingers.has(event.pointerId)) this.#reader.move(fingerOf(event));
  }

  #up(event: PointerEvent): void {
    if (this.#fingers.delete(event.pointerId)) this.#reader.up(fingerOf(event));
  }

  #cancel(event: PointerEvent): void {
    if (this.#fingers.has(event.pointerId)) this.releaseAll();
  }
}

function fingerOf(event: PointerEvent): Finger {
  const at = { x: event.clientX, y: event.clientY };
  return { id: event.pointerId, at, pressure: event.pressure, timeMs: event.timeStamp };
}
