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
import { HeldKeys } from './held-keys.ts';
import { type Locks, LockKeys } from './lock-keys.ts';
import { TextEntry } from './text-entry.ts';

export interface KeyboardDeps {
  /** Whether keys go to the desktop now; else the browser keeps them. */
  takesInput(): boolean;
  /** A key that types was pressed without control; true when input may follow. */
  pressed(): boolean;
  send(event: InputEvent): void;
  /** Whether the desktop's clipboard may be given what is pasted here. */
  mayPaste(): boolean;
  /** Gives the desktop's clipboard a text; input that is sent from then on waits for it. */
  pasted(text: string): void;
  setLocks(locks: Locks): void;
  /** Control, Alt and Shift were pressed together and let go: the person wants out of the desktop. */
  escaped(): void;
}

/** `keyCode` of every key that an input method has taken. */
const INPUT_METHOD_KEY_CODE = 229;
/** Lock keys stay here: the characters arrive with them applied, and the desktop's own locks would apply them twice. */
const LOCAL_KEYS = new Set(['CapsLock', 'NumLock', 'AltGraph']);
/** A browser that pastes at all has told by then. */
const PASTE_MAX_MS = 150;
const EDIT_KEYSYMS = { Backspace: 0xff08, Delete: 0xffff, Enter: 0xff0d } as const;
const MODIFIERS = [
  ['Shift', SHIFT_KEYSYMS],
  ['Control', CONTROL_KEYSYMS],
  ['Alt', ALT_KEYSYMS],
  ['Meta', SUPER_KEYSYMS],
] as const;

/**
 * Sends the keys of `target`, a text area (so that dead keys, input methods and virtual keyboards work), as keysyms. Every key
 * that it pressed is let go on blur, when the page is hidden, and on `releaseAll`; a modifier also as soon as an event says
 * that it is not held.
 */
export class Keyboard {
  readonly #deps: KeyboardDeps;
  readonly #held: HeldKeys;
  readonly #locks: LockKeys;
  readonly #text: TextEntry;
  readonly #listening = new AbortController();
  readonly #isMac = /^(Mac|iP)/.test(navigator.platform);
  #escape: 'none' | 'armed' = 'none';
  /** A press of V that waits for the browser to tell what is pasted. */
  #paste: { readonly press: () => void; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  constructor(target: HTMLTextAreaElement, deps: KeyboardDeps) {
    this.#deps = deps;
    this.#held = new HeldKeys((event) => deps.send(event));
    this.#locks = new LockKeys((locks) => deps.setLocks(locks));
    const { signal } = this.#listening;
    this.#text = new TextEntry(
      target,
      {
        typed: (text) => this.type(text),
        edited: (key) => this.#type(() => this.#held.tap(EDIT_KEYSYMS[key])),
        pasted: (text) => this.#pasted(text),
      },
      signal,
    );
    target.addEventListener('keydown', (event) => this.#down(event), { signal });
    target.addEventListener('keyup', (event) => this.#up(event), { signal });
    target.addEventListener('blur', () => this.releaseAll(), { signal });
    document.addEventListener('visibilitychange', () => this.releaseAll(), { signal });
    window.addEventListener('blur', () => this.releaseAll(), { signal });
    window.addEventListener('pagehide', () => this.releaseAll(), { signal });
  }

  get isControlHeld(): boolean {
    return this.#held.holds(CONTROL_KEYSYMS);
  }

  releaseAll(): void {
    this.#forgetPaste();
    this.#held.releaseAll();
    this.#locks.forget();
    this.#escape = 'none';
  }

  /** Takes what an event says of modifiers for the truth: one whose release went elsewhere is let go. */
  reconcile(event: KeyboardEvent | MouseEvent): void {
    for (const [name, keysyms] of MODIFIERS) {
      if (!this.#held.holds(keysyms) || event.getModifierState(name)) continue;
      // With Shift, X11 calls Alt Meta; macOS' Command is sent as Control.
      const isAlias = (name === 'Alt' || (this.#isMac && name === 'Control')) && event.getModifierState('Meta');
      if (!isAlias) this.#held.releaseThose(keysyms);
    }
    if (this.#deps.takesInput()) this.#locks.observe(event);
  }

  /** Types a text, whatever keys there are. */
  type(text: string): void {
    this.#type(() => this.#held.type(text));
  }

  stop(): void {
    this.releaseAll();
    this.#listening.abort();
  }

  #down(event: KeyboardEvent): void {
    if (event.isComposing || this.#text.isComposing || event.keyCode === INPUT_METHOD_KEY_CODE) return;
    if (!this.#deps.takesInput() && !(isTyping(event) && this.#deps.pressed())) return;
    const stroke = this.#strokeOf(event);
    const keysym = findKeysym(stroke);
    // A dead key is left to the browser, which puts the composed character into the text area.
    if (keysym === undefined) return;
    event.stopPropagation();
    const isModifier = MODIFIERS.some(([, keysyms]) => keysyms.includes(keysym));
    if (!isModifier) this.reconcile(event);
    const code = event.code || event.key;
    if (isPaste(event) && this.#deps.mayPaste()) {
      // Left to the browser, which tells what is pasted; then the key goes on.
      if (!event.repeat) this.#awaitPaste(() => this.#press(event, stroke.key, keysym));
      return;
    }
    event.preventDefault();
    // Windows presses the left Control before every AltGr; the character that follows has neither.
    if (event.key === 'AltGraph') this.#held.release('ControlLeft');
    if (LOCAL_KEYS.has(event.key)) return;
    // The X server repeats keys that are held.
    if (event.repeat && this.#held.has(code)) return;
    this.#press(event, stroke.key, keysym);
    const all = [CONTROL_KEYSYMS, ALT_KEYSYMS, SHIFT_KEYSYMS].every((keysyms) => this.#held.holds(keysyms));
    this.#escape = all && this.#held.size === 3 ? 'armed' : 'none';
  }

  #press(event: KeyboardEvent, key: string, keysym: number): void {
    const code = event.code || event.key;
    this.#held.release(code);
    if (!isCharacter(key)) this.#held.press(code, keysym);
    // macOS' Option chooses characters, as AltGr does elsewhere.
    else if (this.#isMac && event.altKey && !isNamedByCode(key, event.code))
      this.#held.pressWithout(ALT_KEYSYMS, code, keysymOfCharacter(key));
    else if (keysym !== keysymOfCharacter(key)) this.#held.press(code, keysym);
    else this.#held.pressCharacter(code, key);
    // macOS tells no key's release while Command is down, and the desktop would repeat it.
    if (this.#isMac && event.metaKey && event.key !== 'Meta') this.#held.release(code);
  }

  #up(event: KeyboardEvent): void {
    this.#finishPaste();
    const code = event.code || event.key;
    if (!this.#held.has(code)) return;
    event.preventDefault();
    event.stopPropagation();
    const isEscape = this.#escape === 'armed';
    this.#held.release(code);
    if (event.key === 'Meta' || isEscape) this.releaseAll();
    if (isEscape) this.#deps.escaped();
  }

  #strokeOf({ key, code, location, shiftKey }: KeyboardEvent): { key: string; code: string; location: number } {
    if (key !== 'Meta') return { key, code, location };
    // X11 calls Alt Meta while Shift is held; and where Command is what elsewhere is Control, it is sent as that.
    if (shiftKey && code.startsWith('Alt')) return { key: 'Alt', code, location };
    return { key: this.#isMac ? 'Control' : key, code, location };
  }

  #type(act: () => void): void {
    if (this.#deps.takesInput() || this.#deps.pressed()) act();
  }

  #awaitPaste(press: () => void): void {
    this.#finishPaste();
    this.#paste = { press, timer: setTimeout(() => this.#finishPaste(), PASTE_MAX_MS) };
  }

  #pasted(text: string): void {
    if (this.#paste === undefined) return;
    this.#deps.pasted(text);
    this.#finishPaste();
  }

  #finishPaste(): void {
    const paste = this.#paste;
    this.#forgetPaste();
    paste?.press();
  }

  #forgetPaste(): void {
    clearTimeout(this.#paste?.timer);
    this.#paste = undefined;
  }
}

/** Whether a key is meant for whatever has the focus, rather than for the browser or for moving the focus. */
function isTyping(event: KeyboardEvent): boolean {
  return (isCharacter(event.key) || event.key === 'Enter') && !event.ctrlKey && !event.altKey && !event.metaKey;
}

function isPaste({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): boolean {
  if (altKey) return false;
  return ((ctrlKey || metaKey) && key.toLowerCase() === 'v') || (shiftKey && !ctrlKey && !metaKey && key === 'Insert');
}

/** Whether a key gives what is written on it, as `KeyA` and `a`. */
function isNamedByCode(key: string, code: string): boolean {
  return code.endsWith(key.toUpperCase()) && /^(Key|Digit|Numpad)/.test(code);
}
