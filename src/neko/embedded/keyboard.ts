import { setTimeout } from 'node:timers/promises';
import { findKeycode, type Keymap, listSpareKeycodes, type ModifierState } from './keymap.ts';
import type { XDisplay } from './x11.ts';

// Programs read a changed map some time after they were told of it, and lose a key that comes before: Chromium half of those that
// come at once, and on a busy machine still one of forty after 30 ms.
const LENT_SETTLED_MS = 50;
const NUM_LOCK = 0xff7f;
const LEVEL3_SHIFT = 0xfe03;
const MODE_SWITCH = 0xff7e;
const SHIFT_MASK = 1;
const LOCK_MASK = 2;

/**
 * Types keysyms on an X display by XTEST. A keysym that no key gives under the modifiers of the moment gets a spare
 * keycode, the one longest unused when all are taken, so that any keysym comes out as itself. (neko gives an
 * upper-case letter without Shift in lower case; here it comes out as asked for.)
 * Calls must not overlap: each may ask the server something, and keys have an order.
 */
export class Keyboard {
  readonly #display: XDisplay;
  readonly #stopWatching: () => void;
  /** Keycode by keysym, for what is down. A key goes up as it went down, whatever the map says by then. */
  readonly #down = new Map<number, number>();
  /** Keysym by spare keycode, least recently used first. */
  readonly #lent = new Map<number, number>();
  #map: LoadedMap | undefined;

  constructor(display: XDisplay) {
    this.#display = display;
    this.#stopWatching = display.onKeyboardMap(() => (this.#map = undefined));
  }

  /** Presses the key of `keysym`; nothing when it is down already, as the server itself repeats keys. */
  async press(keysym: number): Promise<void> {
    if (keysym === 0 || this.#down.has(keysym)) return;
    const keycode = await this.#keycodeFor(keysym);
    if (keycode === undefined) return;
    this.#down.set(keysym, keycode);
    this.#fake(this.#display.xtest.KeyPress, keycode);
  }

  release(keysym: number): void {
    const keycode = this.#down.get(keysym);
    if (keycode === undefined) return;
    this.#down.delete(keysym);
    this.#fake(this.#display.xtest.KeyRelease, keycode);
  }

  /** Releases what is down, last pressed first. */
  releaseAll(): void {
    for (const keysym of [...this.#down.keys()].toReversed()) this.release(keysym);
  }

  close(): void {
    this.#stopWatching();
  }

  async #keycodeFor(keysym: number): Promise<number | undefined> {
    const [map, state] = await Promise.all([this.#loadMap(), this.#modifierState()]);
    const found = findKeycode(map.keymap, keysym, readState(state, map));
    if (found !== undefined) {
      this.#touch(found);
      return found;
    }
    const lent = this.#lend(map, keysym);
    await setTimeout(LENT_SETTLED_MS);
    return lent;
  }

  /** Gives a spare keycode to `keysym`, the same at every level, so that no modifier changes it. */
  #lend(map: LoadedMap, keysym: number): number | undefined {
    const keycode = this.#freshSpare(map) ?? this.#leastUsedSpare();
    if (keycode === undefined) return undefined;
    this.#lent.delete(keycode);
    this.#lent.set(keycode, keysym);
    const { client } = this.#display;
    this.#display.tell(() => client.ChangeKeyboardMapping(keycode, 2, [keysym, keysym]));
    return keycode;
  }

  #freshSpare(map: LoadedMap): number | undefined {
    return map.spares.findLast((keycode) => !this.#lent.has(keycode) && !this.#isKeycodeDown(keycode));
  }

  #leastUsedSpare(): number | undefined {
    return [...this.#lent.keys()].find((keycode) => !this.#isKeycodeDown(keycode));
  }

  #touch(keycode: number): void {
    const keysym = this.#lent.get(keycode);
    if (keysym === undefined) return;
    this.#lent.delete(keycode);
    this.#lent.set(keycode, keysym);
  }

  #isKeycodeDown(keycode: number): boolean {
    return [...this.#down.values()].some((down) => down === keycode);
  }

  async #loadMap(): Promise<LoadedMap> {
    if (this.#map !== undefined) return this.#map;
    const { client, keycodes } = this.#display;
    const count = keycodes.last - keycodes.first + 1;
    const [rows, modifiers] = await Promise.all([
      this.#display.ask<number[][]>((done) => client.GetKeyboardMapping(keycodes.first, count, done)),
      this.#display.ask<number[][]>((done) => client.GetModifierMapping(done)),
    ]);
    const keymap = { first: keycodes.first, rows };
    // Somebody else gave the keycode away or freed it: a new layout, or whoever keeps keycodes spare.
    for (const [keycode, keysym] of this.#lent) {
      if (rows[keycode - keycodes.first]?.includes(keysym) !== true) this.#lent.delete(keycode);
    }
    this.#map = {
      keymap,
      spares: listSpareKeycodes(keymap),
      numLockMask: modifierMask(keymap, modifiers, [NUM_LOCK]),
      level3Mask: modifierMask(keymap, modifiers, [LEVEL3_SHIFT, MODE_SWITCH]),
    };
    return this.#map;
  }

  async #modifierState(): Promise<number> {
    const { client, root } = this.#display;
    const pointer = await this.#display.ask<{ keyMask: number }>((done) => client.QueryPointer(root, done));
    return pointer.keyMask;
  }

  #fake(type: number, keycode: number): void {
    this.#display.tell(() => this.#display.xtest.FakeInput(type, keycode, 0, 0, 0, 0));
  }
}

interface LoadedMap {
  keymap: Keymap;
  spares: number[];
  numLockMask: number;
  level3Mask: number;
}

function readState(mask: number, map: LoadedMap): ModifierState {
  return {
    shift: (mask & SHIFT_MASK) !== 0,
    lock: (mask & LOCK_MASK) !== 0,
    numLock: (mask & map.numLockMask) !== 0,
    level3: (mask & map.level3Mask) !== 0,
    group: (mask >> 13) & 3,
  };
}

/** The state bit of the modifier that one of `keysyms` sets, 0 when none does. */
function modifierMask(keymap: Keymap, modifiers: readonly (readonly number[])[], keysyms: number[]): number {
  const index = modifiers.findIndex((keycodes) =>
    keycodes.some((keycode) => keymap.rows[keycode - keymap.first]?.some((keysym) => keysyms.includes(keysym))),
  );
  return index < 0 ? 0 : 1 << index;
}
