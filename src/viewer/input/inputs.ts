import type { InputEvent } from '../../input/data-channel.ts';
import type { Point } from '../geometry.ts';
import { Keyboard, type KeyboardDeps } from './keyboard.ts';
import { Pointer } from './pointer.ts';
import { Touch } from './touch.ts';

/** What began on the desktop: a touch leaves the focus alone, or a virtual keyboard would come up with each. */
export type PressKind = 'key' | 'pointer' | 'touch';

export interface InputsDeps extends Omit<KeyboardDeps, 'pressed'> {
  readonly locate: (clientX: number, clientY: number) => Point;
  readonly takesInput: () => boolean;
  readonly send: (event: InputEvent) => void;
  /** A press begins; true when input may follow. */
  readonly pressed: (kind: PressKind) => boolean;
  readonly isTouchNative: () => boolean;
}

/** Keyboard, pointer and fingers of one viewer, which let go together. */
export class Inputs {
  readonly #keyboard: Keyboard;
  readonly #pointer: Pointer;
  readonly #touch: Touch;

  constructor(surface: HTMLElement, keys: HTMLTextAreaElement, deps: InputsDeps) {
    const { locate, takesInput, send } = deps;
    const keyboard = new Keyboard(keys, { ...deps, pressed: () => deps.pressed('key') });
    this.#keyboard = keyboard;
    this.#pointer = new Pointer(surface, {
      locate,
      takesInput,
      send,
      pressed: () => deps.pressed('pointer'),
      isControlHeld: () => keyboard.isControlHeld,
      reconcile: (event) => keyboard.reconcile(event),
    });
    this.#touch = new Touch(surface, {
      locate,
      takesInput,
      send,
      pressed: () => deps.pressed('touch'),
      isNative: deps.isTouchNative,
    });
  }

  /** Lets go of everything that is held, here and on the desktop. */
  releaseAll(): void {
    this.#keyboard.releaseAll();
    this.#pointer.releaseAll();
    this.#touch.releaseAll();
  }

  type(text: string): void {
    this.#keyboard.type(text);
  }

  stop(): void {
    this.#keyboard.stop();
    this.#pointer.stop();
    this.#touch.stop();
  }
}
