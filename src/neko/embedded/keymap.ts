// Which key types a keysym: the X server's core keyboard map read the way the server and its clients read it. Pure.

/** What the modifiers and the group are now. */
export interface ModifierState {
  shift: boolean;
  lock: boolean;
  numLock: boolean;
  level3: boolean;
  group: number;
}

/** The server's map: `rows[i]` holds the keysyms of keycode `first + i`, 0 where there is none. */
export interface Keymap {
  first: number;
  rows: readonly (readonly number[])[];
}

/** The keycode that types `keysym` under `state`, or undefined when none does. */
export function findKeycode(keymap: Keymap, keysym: number, state: ModifierState): number | undefined {
  const exact = keymap.rows.findIndex((row) => producedKeysym(row, state) === keysym);
  if (exact >= 0) return keymap.first + exact;
  // Enter, arrows, modifiers and such mean their key whatever the level: Shift+Tab is Tab, although the map calls it otherwise.
  if (!isFunctionKeysym(keysym)) return undefined;
  const any = keymap.rows.findIndex((row) => row.includes(keysym));
  return any >= 0 ? keymap.first + any : undefined;
}

/** The keycodes that type nothing: free to be given a keysym of ours. */
export function listSpareKeycodes(keymap: Keymap): number[] {
  return keymap.rows.flatMap((row, index) => (row.every((keysym) => keysym === 0) ? [keymap.first + index] : []));
}

/**
 * What a key gives. The columns of a core map are: group 1 levels 1 and 2, group 2 levels 1 and 2, group 1 levels 3
 * and 4, group 2 levels 3 and 4 (X.org's XkbGetCoreMap). 0 for nothing.
 */
function producedKeysym(row: readonly number[], state: ModifierState): number {
  const group = state.group === 1 && (row[2] ?? 0) !== 0 ? 2 : 0;
  const level3 = state.level3 && (row[4 + group] ?? 0) !== 0 ? 4 : 0;
  const first = row[group + level3] ?? 0;
  const second = row[group + level3 + 1] ?? 0;
  const upper = upperKeysym(first);
  if (isKeypad(second)) return state.numLock !== state.shift ? second : first;
  if (upper !== first && (second === 0 || second === upper)) return state.shift !== state.lock ? upper : first;
  return state.shift && second !== 0 ? second : first;
}

/** The upper case of a letter's keysym; every other keysym itself. */
export function upperKeysym(keysym: number): number {
  if (keysym >= 0x61 && keysym <= 0x7a) return keysym - 0x20;
  if (keysym >= 0xe0 && keysym <= 0xfe && keysym !== 0xf7) return keysym - 0x20;
  if (keysym >= 0x6a1 && keysym <= 0x6af) return keysym + 0x10; // Cyrillic beyond Russian
  if (keysym >= 0x6c0 && keysym <= 0x6df) return keysym + 0x20; // Russian
  if (keysym >= 0x7e1 && keysym <= 0x7f9 && keysym !== 0x7f3) return keysym - 0x20; // Greek, but for the final sigma
  if (keysym > UNICODE && keysym <= UNICODE + 0x10ffff) {
    const upper = String.fromCodePoint(keysym - UNICODE).toUpperCase();
    const [only, ...more] = upper;
    return only !== undefined && more.length === 0 ? UNICODE + (only.codePointAt(0) ?? 0) : keysym;
  }
  return keysym;
}

/** A keysym of the Unicode range is its code point plus this. */
const UNICODE = 0x0100_0000;

function isFunctionKeysym(keysym: number): boolean {
  return (keysym >= 0xfe00 && keysym <= 0xffff && !isKeypad(keysym)) || keysym >= 0x1008_0000;
}

/** The keypad's keysyms, which NumLock chooses between. */
function isKeypad(keysym: number): boolean {
  return keysym >= 0xff80 && keysym <= 0xffbd;
}
