// Keys by the names that programs give them: X's (as xdotool has them), `KeyboardEvent.key`, `KeyboardEvent.code`, everyday words, characters.
import { GatewayError } from '../errors.ts';
import { KEYSYM_NAMES } from './keysym-names.ts';
import { findKeysym, isCharacter, keysymOfCharacter, SHIFT_KEYSYMS } from './keysyms.ts';

/** Keys of one chord; a longer one is refused. Nobody has more fingers. */
const CHORD_KEYS_MAX = 10;
/** A longer name is no key's, and is not shown back whole. */
const NAME_MAX_LENGTH = 64;
const NEAR_MATCHES_MAX = 3;

const STANDARD = 0;
const KEYPAD = 3;

/** Words for keys that are neither X's nor the browser's, in lower case without `_`, `-` and spaces. */
const ALIASES: Readonly<Record<string, string>> = {
  ctrl: 'Control_L',
  control: 'Control_L',
  shift: 'Shift_L',
  alt: 'Alt_L',
  option: 'Alt_L',
  opt: 'Alt_L',
  altgr: 'ISO_Level3_Shift',
  meta: 'Super_L',
  super: 'Super_L',
  cmd: 'Super_L',
  command: 'Super_L',
  win: 'Super_L',
  windows: 'Super_L',
  os: 'Super_L',
  hyper: 'Hyper_L',
  enter: 'Return',
  esc: 'Escape',
  del: 'Delete',
  ins: 'Insert',
  pgup: 'Page_Up',
  pgdn: 'Page_Down',
  pgdown: 'Page_Down',
  up: 'Up',
  down: 'Down',
  left: 'Left',
  right: 'Right',
  spacebar: 'space',
  space: 'space',
  menu: 'Menu',
  printscreen: 'Print',
  prtsc: 'Print',
  break: 'Break',
  hyphen: 'minus',
  dash: 'minus',
  dot: 'period',
  backquote: 'grave',
  backtick: 'grave',
  quote: 'apostrophe',
  doublequote: 'quotedbl',
  pipe: 'bar',
  tilde: 'asciitilde',
  caret: 'asciicircum',
};

/** What the physical keys that type characters give on a US keyboard, by `KeyboardEvent.code`. */
const CODES: Readonly<Record<string, string>> = {
  Backquote: '`',
  Minus: '-',
  Equal: '=',
  BracketLeft: '[',
  BracketRight: ']',
  Backslash: '\\',
  IntlBackslash: '\\',
  Semicolon: ';',
  Quote: "'",
  Comma: ',',
  Period: '.',
  Slash: '/',
  Space: ' ',
};

const KEYPAD_CODES: Readonly<Record<string, string>> = {
  NumpadAdd: '+',
  NumpadSubtract: '-',
  NumpadMultiply: '*',
  NumpadDivide: '/',
  NumpadDecimal: '.',
  NumpadComma: ',',
  NumpadEqual: '=',
  NumpadEnter: 'Enter',
};

/** X's names by their letters alone, for who writes `page_up` or `BACKSPACE`; of two that are equal then, the first counts. */
const BY_LETTERS: ReadonlyMap<string, number> = lettersOfNames();

/** The keysym of one key: a character, or a name. @throws GatewayError KEY_UNKNOWN, which says what is meant perhaps */
export function keysymOfName(name: string): number {
  const keysym = findKeysymOfName(name);
  if (keysym !== undefined) return keysym;
  const shown = JSON.stringify(name.slice(0, NAME_MAX_LENGTH));
  const near = nearNames(name.slice(0, NAME_MAX_LENGTH));
  const hint = near.length > 0 ? `; near are ${near.join(', ')}` : '';
  throw new GatewayError('KEY_UNKNOWN', `no key is called ${shown}${hint}`);
}

/**
 * The keys of a chord, `ctrl+shift+t`, in the order in which they go down. A capital letter brings its Shift along, and beside a Shift a letter is
 * a capital, as xdotool and keyboards have it.
 * @throws GatewayError KEY_UNKNOWN, also for an empty chord
 */
export function parseChord(chord: string): number[] {
  return keysymsOfKeys(splitChord(chord));
}

/** As `parseChord`, for keys that come as a list. */
export function keysymsOfKeys(names: readonly string[]): number[] {
  if (names.length === 0 || names.length > CHORD_KEYS_MAX)
    throw new GatewayError('KEY_UNKNOWN', `a chord has 1 to ${CHORD_KEYS_MAX} keys; this one has ${names.length}`);
  const keysyms = names.map(keysymOfName);
  const hasShift = keysyms.some((keysym) => SHIFT_KEYSYMS.includes(keysym));
  return keysyms.flatMap((keysym, index) => {
    const name = names[index] ?? '';
    return hasShift ? shifted(name, keysym) : withShift(name, keysym);
  });
}

/** Whether a character is typed with Shift held: neko types a capital's keysym alone in lower case. */
export function needsShift(character: string): boolean {
  return character !== character.toLowerCase() && character === character.toUpperCase();
}

/** neko would type the small letter in spite of a Shift that is down. */
function shifted(name: string, keysym: number): number {
  const capital = name.toUpperCase();
  return isCharacter(name) && isCharacter(capital) && needsShift(capital) ? keysymOfCharacter(capital) : keysym;
}

function withShift(name: string, keysym: number): number[] {
  const [shift = 0] = SHIFT_KEYSYMS;
  return isCharacter(name) && needsShift(name) ? [shift, keysym] : [keysym];
}

/** `+` between keys; one that stands where a key is expected is the key itself: `ctrl++`, `+`. */
function splitChord(chord: string): string[] {
  const trimmed = chord.trim();
  if (trimmed === '') return chord === '' ? [] : [' '];
  const names: string[] = [];
  let rest = trimmed;
  while (rest !== '') {
    const end = rest.indexOf('+', 1);
    const name = end < 0 ? rest : rest.slice(0, end);
    names.push(name.length > 1 ? name.trim() : name);
    if (end < 0) break;
    rest = rest.slice(end + 1);
    if (rest === '') names.push('');
  }
  return names;
}

function findKeysymOfName(name: string): number | undefined {
  if (name === '' || name.length > NAME_MAX_LENGTH) return undefined;
  if (isCharacter(name)) return keysymOfCharacter(name);
  // xdotool's `meta` is X's Meta, a browser's `Meta` the key with the logo.
  if (name === 'meta') return KEYSYM_NAMES.get('Meta_L');
  return KEYSYM_NAMES.get(name) ?? ofBrowser(name) ?? ofNumber(name) ?? ofLetters(name);
}

function ofBrowser(name: string): number | undefined {
  const letterOrDigit = /^(?:Key([A-Z])|Digit([0-9]))$/.exec(name);
  if (letterOrDigit) return keysymOfCharacter((letterOrDigit[1] ?? letterOrDigit[2] ?? '').toLowerCase());
  const character = entry(CODES, name);
  if (character !== undefined) return keysymOfCharacter(character);
  const onKeypad = entry(KEYPAD_CODES, name) ?? /^Numpad([0-9])$/.exec(name)?.[1];
  if (onKeypad !== undefined) return findKeysym({ key: onKeypad, code: name, location: KEYPAD });
  return (
    findKeysym({ key: name, code: '', location: STANDARD }) ?? findKeysym({ key: '', code: name, location: STANDARD })
  );
}

/** `U20AC` and `U+20AC` are characters, `0xff0d` is a keysym itself, as for X. */
function ofNumber(name: string): number | undefined {
  const codePoint = /^U\+?([0-9A-Fa-f]{4,6})$/.exec(name)?.[1];
  if (codePoint !== undefined && Number.parseInt(codePoint, 16) <= 0x10ffff)
    return keysymOfCharacter(String.fromCodePoint(Number.parseInt(codePoint, 16)));
  const keysym = /^0x([0-9A-Fa-f]{1,8})$/.exec(name)?.[1];
  return keysym === undefined ? undefined : Number.parseInt(keysym, 16);
}

function ofLetters(name: string): number | undefined {
  const letters = lettersOf(name);
  const alias = entry(ALIASES, letters);
  if (alias !== undefined) return KEYSYM_NAMES.get(alias);
  return BY_LETTERS.get(letters) ?? ofArrow(letters);
}

function ofArrow(letters: string): number | undefined {
  const direction = /^(?:arrow(left|right|up|down)|(left|right|up|down)arrow)$/.exec(letters);
  return direction ? BY_LETTERS.get(direction[1] ?? direction[2] ?? '') : undefined;
}

function lettersOfNames(): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, keysym] of KEYSYM_NAMES) if (!found.has(lettersOf(name))) found.set(lettersOf(name), keysym);
  return found;
}

function lettersOf(name: string): string {
  return name.toLowerCase().replaceAll(/[_\s-]/g, '');
}

function nearNames(name: string): string[] {
  const letters = lettersOf(name);
  const farthest = Math.max(1, Math.floor(letters.length / 3));
  return [...KEYSYM_NAMES.keys(), ...Object.keys(ALIASES)]
    .map((known) => ({ known, distance: distanceOf(letters, lettersOf(known)) }))
    .filter(({ distance }) => distance <= farthest)
    .toSorted((one, other) => one.distance - other.distance)
    .slice(0, NEAR_MATCHES_MAX)
    .map(({ known }) => known);
}

/** Levenshtein's: characters to add, drop or change. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, character] of Array.from(one).entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j++) {
      const kept = (row[j] ?? 0) + (character === other[j] ? 0 : 1);
      next.push(Math.min(kept, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function entry<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
