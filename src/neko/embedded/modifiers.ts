import type { KeyboardModifiers } from '../../signaling/messages.ts';
import type { XDisplay } from './x11.ts';

/** The modifiers' bits, as neko names them: Mod1 is Alt, Mod2 NumLock, Mod3 Meta, Mod4 Super, Mod5 AltGr. */
const MASKS = {
  shift: 1 << 0,
  capslock: 1 << 1,
  control: 1 << 2,
  alt: 1 << 3,
  numlock: 1 << 4,
  meta: 1 << 5,
  super: 1 << 6,
  altgr: 1 << 7,
} as const;
type ModifierName = keyof typeof MASKS;
const NAMES = ['shift', 'capslock', 'control', 'alt', 'numlock', 'meta', 'super', 'altgr'] as const;
type ModifierStates = Record<ModifierName, boolean>;

/** The keyboard's modifiers, by XKB: what is in effect, and locking them as Caps Lock does. */
export class Modifiers {
  readonly #display: XDisplay;

  constructor(display: XDisplay) {
    this.#display = display;
  }

  /** Which are in effect, whether held or locked. */
  async get(): Promise<ModifierStates> {
    const { xkb } = this.#display;
    const { mods } = await this.#display.ask<{ mods: number }>((done) => xkb.GetState(xkb.UseCoreKbd, done));
    const isOn = (name: ModifierName): boolean => (mods & MASKS[name]) !== 0;
    return {
      shift: isOn('shift'),
      capslock: isOn('capslock'),
      control: isOn('control'),
      alt: isOn('alt'),
      numlock: isOn('numlock'),
      meta: isOn('meta'),
      super: isOn('super'),
      altgr: isOn('altgr'),
    };
  }

  /** Locks those that are true and unlocks those that are false. */
  async set(change: Partial<Pick<KeyboardModifiers, ModifierName>>): Promise<void> {
    let affected = 0;
    let locked = 0;
    for (const name of NAMES) {
      const value = change[name];
      if (value === undefined) continue;
      affected |= MASKS[name];
      if (value) locked |= MASKS[name];
    }
    const { xkb } = this.#display;
    this.#display.tell(() => xkb.LatchLockState(xkb.UseCoreKbd, affected, locked, false, 0, 0, 0, false, 0));
    await this.#display.sync();
  }
}
