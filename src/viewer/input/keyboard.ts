import type { InputEvent } from '../../input/data-channel.ts';
import {
  ALT_KEYSYMS,
  CONTROL_KEYSYMS,
  findKeysym,
  isCharacter,
  keysymOfCharacter,
  SHIFT_KEYSYMS,
  SUPER_KEYSYMS,
} from '../../input/keysyms.ts';

export interface KeyboardDeps {
  /** Whether keys go to the desktop now; else the browser keeps them. */
  takesInput(): boolean;
  /** A key that types was pressed without control; true when input may follow. */
  pressed(): boolean;
  send(event: InputEvent): void;
  /** Control, Alt and Shift were pressed together and let go: the person wants out of the desktop. */
  escaped(): void;
}

const SHIFT_LEFT = 0xffe1;
/** `keyCode` of every key that an input method has taken. */
const INPUT_METHOD_KEY_CODE = 229;
/** Lock keys stay here: the characters arrive with them applied, and the desktop's own locks would apply them twice. */
const LOCAL_KEYS = new Set(['CapsLock', 'NumLock', 'AltGraph']);
/** A text put in at once, by an input method or a virtual keyboard, is cut here. */
const TEXT_MAX_LENGTH = 4096;

/**
 * Sends the keys of `target`, a text area (so that dead keys, input methods and virtual keyboards work), as keysyms. Every key
 * that it pressed is let go on blur, when the page is hidden, and on `releaseAll`.
 */
export class Keyboard {
  readonly #target: HTMLTextAreaElement;
  readonly #deps: KeyboardDeps;
  /** Keysyms that are down, by physical key: the keysym of a key can change until it comes up. */
  readonly #held = new Map<string, number>();
  readonly #listening = new AbortController();
  #escape: 'none' | 'armed' = 'none';

  constructor(target: HTMLTextAreaElement, deps: KeyboardDeps) {
    this.#target = target;
    this.#deps = deps;
    const { signal } = this.#listening;
    target.addEventListener('keydown', (event) => this.#down(event), { signal });
    target.addEventListener('keyup', (event) => this.#up(event), { signal });
    target.addEventListener('input', (event) => this.#typeText(event), { signal });
    target.addEventListener('compositionend', (event) => this.#typeText(event), { signal });
    target.addEventListener('blur', () => this.releaseAll(), { signal });
    document.addEventListener('visibilitychange', () => this.releaseAll(), { signal });
    window.addEventListener('blur', () => this.releaseAll(), { signal });
    window.addEventListener('pagehide', () => this.releaseAll(), { signal });
  }

  get isControlHeld(): boolean {
    return this.#holds(CONTROL_KEYSYMS);
  }

  releaseAll(): void {
    for (const code of [...this.#held.keys()].toReversed()) this.#release(code);
    this.#escape = 'none';
  }

  stop(): void {
    this.releaseAll();
    this.#listening.abort();
  }

  #down(event: KeyboardEvent): void {
    if (event.isComposing || event.keyCode === INPUT_METHOD_KEY_CODE) return;
    if (!this.#deps.takesInput() && !(isTyping(event) && this.#deps.pressed())) return;
    const keysym = findKeysym(event);
    // A dead key is left to the browser, which puts the composed character into the text area.
    if (keysym === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    // Windows presses the left Control before every AltGr; the character that follows has neither.
    if (event.key === 'AltGraph') this.#release('ControlLeft');
    if (LOCAL_KEYS.has(event.key)) return;
    const code = event.code || event.key;
    // The X server repeats keys that are held.
    if (event.repeat && this.#held.has(code)) return;
    this.#release(code);
    if (isCharacter(event.key)) this.#pressCharacter(code, event.key);
    else this.#press(code, keysym);
    const all = this.#holds(CONTROL_KEYSYMS) && this.#holds(ALT_KEYSYMS) && this.#holds(SHIFT_KEYSYMS);
    this.#escape = all && this.#held.size === 3 ? 'armed' : 'none';
  }

  #up(event: KeyboardEvent): void {
    const code = event.code || event.key;
    if (!this.#held.has(code)) return;
    event.preventDefault();
    event.stopPropagation();
    const isEscape = this.#escape === 'armed';
    this.#release(code);
    // macOS tells no key's release while Command is down, so nothing that was pressed with it can be trusted to come up.
    if (event.key === 'Meta' || isEscape) this.releaseAll();
    if (isEscape) this.#deps.escaped();
  }

  #typeText(event: Event): void {
    if ('isComposing' in event && event.isComposing === true) return;
    const text = this.#target.value.slice(0, TEXT_MAX_LENGTH);
    this.#target.value = '';
    if (!this.#deps.takesInput()) return;
    for (const character of text) {
      this.#pressCharacter('text', character);
      this.#release('text');
    }
  }

  /** neko finds a key for the keysym of any character, but takes the case from Shift alone: an upper-case letter needs it held, a lower-case one needs it up. */
  #pressCharacter(code: string, character: string): void {
    const isCommand = this.#holds(CONTROL_KEYSYMS) || this.#holds(ALT_KEYSYMS) || this.#holds(SUPER_KEYSYMS);
    const isUpper = character !== character.toLowerCase();
    const isLower = character !== character.toUpperCase();
    const isShifted = this.#holds(SHIFT_KEYSYMS);
    if (isUpper && !isShifted && isCommand) this.#press(code, keysymOfCharacter(character.toLowerCase()));
    else if (isUpper && !isShifted) this.#pressWithShift(code, keysymOfCharacter(character));
    else if (isLower && !isUpper && isShifted) this.#pressWithoutShift(code, keysymOfCharacter(character));
    else this.#press(code, keysymOfCharacter(character));
  }

  #pressWithShift(code: string, keysym: number): void {
    this.#deps.send({ type: 'key', down: true, keysym: SHIFT_LEFT });
    this.#press(code, keysym);
    this.#deps.send({ type: 'key', down: false, keysym: SHIFT_LEFT });
  }

  #pressWithoutShift(code: string, keysym: number): void {
    const shifts = [...this.#held.values()].filter((held) => SHIFT_KEYSYMS.includes(held));
    for (const shift of shifts) this.#deps.send({ type: 'key', down: false, keysym: shift });
    this.#press(code, keysym);
    for (const shift of shifts) this.#deps.send({ type: 'key', down: true, keysym: shift });
  }

  #press(code: string, keysym: number): void {
    this.#held.set(code, keysym);
    this.#deps.send({ type: 'key', down: true, keysym });
  }

  #release(code: string): void {
    const keysym = this.#held.get(code);
    if (keysym === undefined) return;
    this.#held.delete(code);
    this.#deps.send({ type: 'key', down: false, keysym });
  }

  #holds(keysyms: readonly number[]): boolean {
    return [...this.#held.values()].some((held) => keysyms.includes(held));
  }
}

/** Whether a key is meant for whatever has the focus, rather than for the browser or for moving the focus. */
function isTyping(event: KeyboardEvent): boolean {
  return (isCharacter(event.key) || event.key === 'Enter') && !event.ctrlKey && !event.altKey && !event.metaKey;
}
