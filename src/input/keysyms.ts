// X keysyms of DOM key events. Values: X.Org's keysymdef.h and XF86keysym.h; names: W3C UI Events KeyboardEvent key Values.

/** The fields of a DOM KeyboardEvent that decide its keysym. */
export interface KeyStroke {
  readonly key: string;
  /** The physical key, as `ShiftRight`; empty where the browser does not know it. */
  readonly code: string;
  /** 0 standard, 1 left, 2 right, 3 numeric keypad. */
  readonly location: number;
}

export const SHIFT_KEYSYMS: readonly number[] = [0xffe1, 0xffe2];
export const CONTROL_KEYSYMS: readonly number[] = [0xffe3, 0xffe4];
export const ALT_KEYSYMS: readonly number[] = [0xffe9, 0xffea];
export const SUPER_KEYSYMS: readonly number[] = [0xffeb, 0xffec];

const LOCATION_RIGHT = 2;
const LOCATION_KEYPAD = 3;

const RETURN = 0xff0d;
const TAB = 0xff09;
const F1 = 0xffbe;
const F_KEYS = 35;

/** Left and right key of a modifier, by `KeyboardEvent.key`. */
const MODIFIERS: Readonly<Record<string, readonly [left: number, right: number]>> = {
  Shift: [0xffe1, 0xffe2],
  Control: [0xffe3, 0xffe4],
  Alt: [0xffe9, 0xffea],
  Meta: [0xffeb, 0xffec],
  OS: [0xffeb, 0xffec],
  Super: [0xffeb, 0xffec],
  Hyper: [0xffed, 0xffee],
};

const KEYPAD: Readonly<Record<string, number>> = {
  ' ': 0xff80,
  Tab: 0xff89,
  Enter: 0xff8d,
  F1: 0xff91,
  F2: 0xff92,
  F3: 0xff93,
  F4: 0xff94,
  Home: 0xff95,
  ArrowLeft: 0xff96,
  ArrowUp: 0xff97,
  ArrowRight: 0xff98,
  ArrowDown: 0xff99,
  PageUp: 0xff9a,
  PageDown: 0xff9b,
  End: 0xff9c,
  Clear: 0xff9d,
  Insert: 0xff9e,
  Delete: 0xff9f,
  '*': 0xffaa,
  '+': 0xffab,
  ',': 0xffac,
  '-': 0xffad,
  '.': 0xffae,
  '/': 0xffaf,
  '0': 0xffb0,
  '1': 0xffb1,
  '2': 0xffb2,
  '3': 0xffb3,
  '4': 0xffb4,
  '5': 0xffb5,
  '6': 0xffb6,
  '7': 0xffb7,
  '8': 0xffb8,
  '9': 0xffb9,
  '=': 0xffbd,
};

const NAMED: Readonly<Record<string, number>> = {
  Backspace: 0xff08,
  Tab: TAB,
  Clear: 0xff0b,
  Enter: RETURN,
  Pause: 0xff13,
  ScrollLock: 0xff14,
  Escape: 0xff1b,
  Compose: 0xff20,
  KanjiMode: 0xff21,
  NonConvert: 0xff22,
  Convert: 0xff23,
  Romaji: 0xff24,
  Hiragana: 0xff25,
  Katakana: 0xff26,
  HiraganaKatakana: 0xff27,
  Zenkaku: 0xff28,
  Hankaku: 0xff29,
  ZenkakuHankaku: 0xff2a,
  KanaMode: 0xff2d,
  Alphanumeric: 0xff30,
  Eisu: 0xff30,
  HangulMode: 0xff31,
  HanjaMode: 0xff34,
  CodeInput: 0xff37,
  SingleCandidate: 0xff3c,
  AllCandidates: 0xff3d,
  PreviousCandidate: 0xff3e,
  Home: 0xff50,
  ArrowLeft: 0xff51,
  ArrowUp: 0xff52,
  ArrowRight: 0xff53,
  ArrowDown: 0xff54,
  PageUp: 0xff55,
  PageDown: 0xff56,
  End: 0xff57,
  Select: 0xff60,
  PrintScreen: 0xff61,
  Execute: 0xff62,
  Insert: 0xff63,
  Undo: 0xff65,
  Redo: 0xff66,
  ContextMenu: 0xff67,
  Find: 0xff68,
  Cancel: 0xff69,
  Help: 0xff6a,
  ModeChange: 0xff7e,
  NumLock: 0xff7f,
  CapsLock: 0xffe5,
  AltGraph: 0xfe03,
  Delete: 0xffff,
  BrightnessUp: 0x1008ff02,
  BrightnessDown: 0x1008ff03,
  Standby: 0x1008ff10,
  AudioVolumeDown: 0x1008ff11,
  AudioVolumeMute: 0x1008ff12,
  AudioVolumeUp: 0x1008ff13,
  MediaPlayPause: 0x1008ff14,
  MediaStop: 0x1008ff15,
  MediaTrackPrevious: 0x1008ff16,
  MediaTrackNext: 0x1008ff17,
  BrowserHome: 0x1008ff18,
  LaunchMail: 0x1008ff19,
  BrowserSearch: 0x1008ff1b,
  LaunchCalculator: 0x1008ff1d,
  BrowserBack: 0x1008ff26,
  BrowserForward: 0x1008ff27,
  BrowserStop: 0x1008ff28,
  BrowserRefresh: 0x1008ff29,
  PowerOff: 0x1008ff2a,
  WakeUp: 0x1008ff2b,
  Eject: 0x1008ff2c,
  BrowserFavorites: 0x1008ff30,
  MediaPause: 0x1008ff31,
  Close: 0x1008ff56,
  Copy: 0x1008ff57,
  Cut: 0x1008ff58,
  New: 0x1008ff68,
  Open: 0x1008ff6b,
  Paste: 0x1008ff6d,
  Save: 0x1008ff77,
  ZoomIn: 0x1008ff8b,
  ZoomOut: 0x1008ff8c,
};

/** The keysym of a key event; undefined where there is none: dead keys, input methods at work, keys unknown to X. */
export function findKeysym(stroke: KeyStroke): number | undefined {
  // Some browsers and virtual keyboards leave `key` out and still tell the physical key, whose name is the same for named keys.
  const key = stroke.key === '' || stroke.key === 'Unidentified' ? nameOfCode(stroke.code) : stroke.key;
  const modifier = entry(MODIFIERS, key);
  if (modifier !== undefined) return isRightKey(stroke) ? modifier[1] : modifier[0];
  if (stroke.location === LOCATION_KEYPAD) {
    const keypad = entry(KEYPAD, key);
    if (keypad !== undefined) return keypad;
  }
  if (isCharacter(key)) return keysymOfCharacter(key);
  return entry(NAMED, key) ?? functionKey(key);
}

/** Whether `key` is what a key types, one code point, rather than a name. */
export function isCharacter(key: string): boolean {
  const [first] = key;
  return first !== undefined && first === key;
}

/**
 * The keysym of the first character of `character`: Latin-1 stands for itself, all other characters are 0x01000000 plus
 * their code point; a line break is Return. Throws RangeError for an empty string.
 */
export function keysymOfCharacter(character: string): number {
  const codePoint = character.codePointAt(0);
  if (codePoint === undefined) throw new RangeError('no character, no keysym');
  if (codePoint === 0x0a || codePoint === 0x0d) return RETURN;
  if (codePoint === 0x09) return TAB;
  const isLatin1 = (codePoint >= 0x20 && codePoint <= 0x7e) || (codePoint >= 0xa0 && codePoint <= 0xff);
  return isLatin1 ? codePoint : 0x01000000 + codePoint;
}

function isRightKey(stroke: KeyStroke): boolean {
  return stroke.location === LOCATION_RIGHT || stroke.code.endsWith('Right');
}

function nameOfCode(code: string): string {
  return code.replace(/^(Shift|Control|Alt|Meta|OS)(Left|Right)$/, '$1').replace(/^Numpad(?=Enter$)/, '');
}

function functionKey(key: string): number | undefined {
  const number = /^F([1-9][0-9]?)$/.exec(key)?.[1];
  return number !== undefined && Number(number) <= F_KEYS ? F1 + Number(number) - 1 : undefined;
}

function entry<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
