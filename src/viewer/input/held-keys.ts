import type { InputEvent } from '../../input/data-channel.ts';
import { ALT_KEYSYMS, CONTROL_KEYSYMS, keysymOfCharacter, SHIFT_KEYSYMS, SUPER_KEYSYMS } from '../../input/keysyms.ts';

const SHIFT_LEFT = 0xffe1;
/** What most keyboards give with Shift. With it held a streamer finds their key, and need not make one up, of which there are few. */
const SHIFTED_SYMBOLS = new Set('~!@#$%^&*()_+{}|:"<>?');

/** The keys that the desktop was told are down, by physical key: the keysym of a key can change until it comes up. */
export class HeldKeys {
  readonly #held = new Map<string, number>();
  readonly #send: (event: InputEvent) => void;

  constructor(send: (event: InputEvent) => void) {
    this.#send = send;
  }

  get size(): number {
    return this.#held.size;
  }

  has(code: string): boolean {
    return this.#held.has(code);
  }

  holds(keysyms: readonly number[]): boolean {
    return [...this.#held.values()].some((held) => keysyms.includes(held));
  }

  press(code: string, keysym: number): void {
    this.#held.set(code, keysym);
    this.#send({ type: 'key', down: true, keysym });
  }

  release(code: string): void {
    const keysym = this.#held.get(code);
    if (keysym === undefined) return;
    this.#held.delete(code);
    this.#send({ type: 'key', down: false, keysym });
  }

  releaseThose(keysyms: readonly number[]): void {
    for (const [code, held] of this.#held) if (keysyms.includes(held)) this.release(code);
  }

  /** Last pressed, first released. */
  releaseAll(): void {
    for (const code of [...this.#held.keys()].toReversed()) this.release(code);
  }

  tap(keysym: number): void {
    this.#send({ type: 'key', down: true, keysym });
    this.#send({ type: 'key', down: false, keysym });
  }

  /**
   * Presses the key of a character that a key gave here. neko finds a key for any keysym, but takes the case from Shift alone:
   * an upper-case letter needs it held, a lower-case one needs it up, also where CapsLock or another layout made it here.
   */
  pressCharacter(code: string, character: string): void {
    const isCommand = this.holds(CONTROL_KEYSYMS) || this.holds(ALT_KEYSYMS) || this.holds(SUPER_KEYSYMS);
    const isUpper = character !== character.toLowerCase();
    const isLower = character !== character.toUpperCase();
    const isShifted = this.holds(SHIFT_KEYSYMS);
    const wantsShift = isUpper || SHIFTED_SYMBOLS.has(character);
    if (isUpper && !isShifted && isCommand) this.press(code, keysymOfCharacter(character.toLowerCase()));
    else if (wantsShift && !isShifted && !isCommand) this.#pressWithShift(code, keysymOfCharacter(character));
    else if (isLower && !isUpper && isShifted) this.pressWithout(SHIFT_KEYSYMS, code, keysymOfCharacter(character));
    else this.press(code, keysymOfCharacter(character));
  }

  /** Presses a key as if these modifiers were not held. */
  pressWithout(modifiers: readonly number[], code: string, keysym: number): void {
    const lifted = [...this.#held.values()].filter((held) => modifiers.includes(held));
    for (const modifier of lifted) this.#send({ type: 'key', down: false, keysym: modifier });
    this.press(code, keysym);
    for (const modifier of lifted) this.#send({ type: 'key', down: true, keysym: modifier });
  }

  /** Types a text that no keys of this keyboard gave: composed, put in by a virtual keyboard or an input method. */
  type(text: string): void {
    for (const character of text) {
      this.pressCharacter('text', character);
      this.release('text');
    }
  }

  #pressWithShift(code: string, keysym: number): void {
    this.#send({ type: 'key', down: true, keysym: SHIFT_LEFT });
    this.press(code, keysym);
    this.#send({ type: 'key', down: false, keysym: SHIFT_LEFT });
  }
}
