import type { InputEvent } from '../../input/data-channel.ts';
import type { Point } from '../geometry.ts';
import { WheelSender } from './wheel-sender.ts';

export interface PointerDeps {
  /** The desktop pixel under a point of the window. */
  locate(clientX: number, clientY: number): Point;
  takesInput(): boolean;
  /** Whether the keyboard has told the desktop of a held Control key, so that a wheel event need not. */
  isControlHeld(): boolean;
  send(event: InputEvent): void;
  /** A press begins; true when input may follow. */
  pressed(): boolean;
  /** What an event says of held modifiers. */
  reconcile(event: MouseEvent): void;
}

/** X's button of each bit of `PointerEvent.buttons`: left, right, middle, back, forward. */
const X_BUTTONS = [1, 3, 2, 8, 9];

/** Sends mouse and pen on `surface` as one X pointer, with capture so that a drag goes on outside. Fingers are none of its. */
export class Pointer {
  readonly #surface: HTMLElement;
  readonly #deps: PointerDeps;
  readonly #listening = new AbortController();
  readonly #wheel: WheelSender;
  /** Bits of the buttons that the desktop was told are down. */
  #buttons = 0;
  #last: Point | undefined;

  constructor(surface: HTMLElement, deps: PointerDeps) {
    this.#surface = surface;
    this.#deps = deps;
    this.#wheel = new WheelSender((event) => deps.send(event));
    const { signal } = this.#listening;
    surface.addEventListener('pointerdown', (event) => this.#down(event), { signal });
    // With a button down already, the others come as moves.
    surface.addEventListener('pointermove', (event) => this.#follow(event), { signal });
    surface.addEventListener('pointerup', (event) => this.#follow(event), { signal });
    surface.addEventListener('pointercancel', (event) => this.#cancel(event), { signal });
    surface.addEventListener('lostpointercapture', (event) => this.#follow(event), { signal });
    surface.addEventListener('wheel', (event) => this.#scroll(event), { signal, passive: false });
    surface.addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
    window.addEventListener('blur', () => this.releaseAll(), { signal });
    window.addEventListener('pagehide', () => this.releaseAll(), { signal });
    document.addEventListener('visibilitychange', () => this.releaseAll(), { signal });
  }

  releaseAll(): void {
    this.#setButtons(0);
  }

  stop(): void {
    this.releaseAll();
    this.#wheel.stop();
    this.#listening.abort();
  }

  #down(event: PointerEvent): void {
    // Keeps the focus where `pressed` puts it, and starts no selection or drag of the page's own.
    event.preventDefault();
    if (!isOurs(event) || !this.#deps.pressed()) return;
    this.#surface.setPointerCapture(event.pointerId);
    this.#follow(event);
  }

  #follow(event: PointerEvent): void {
    if (!isOurs(event) || !this.#deps.takesInput()) return;
    this.#deps.reconcile(event);
    this.#moveTo(this.#deps.locate(event.clientX, event.clientY));
    // A press elsewhere on the page that is dragged in is not the desktop's.
    const isDrag = this.#buttons !== 0 || event.type === 'pointerdown';
    if (isDrag) this.#setButtons(event.type === 'lostpointercapture' ? 0 : event.buttons);
  }

  #moveTo(point: Point): void {
    if (this.#last?.x === point.x && this.#last.y === point.y) return;
    this.#last = point;
    this.#deps.send({ type: 'move', x: point.x, y: point.y });
  }

  #setButtons(buttons: number): void {
    for (const [bit, button] of X_BUTTONS.entries()) {
      const mask = 1 << bit;
      if ((this.#buttons & mask) === (buttons & mask)) continue;
      this.#deps.send({ type: 'button', down: (buttons & mask) !== 0, button });
    }
    this.#buttons = buttons;
  }

  #cancel(event: PointerEvent): void {
    if (isOurs(event)) this.releaseAll();
  }

  #scroll(event: WheelEvent): void {
    if (!this.#deps.takesInput()) return;
    event.preventDefault();
    this.#moveTo(this.#deps.locate(event.clientX, event.clientY));
    // A pinch on a touchpad comes as a wheel with Control that no key tells of.
    this.#wheel.add(event, event.timeStamp, event.ctrlKey && !this.#deps.isControlHeld());
  }
}

function isOurs(event: PointerEvent): boolean {
  return event.isPrimary && event.pointerType !== 'touch';
}
