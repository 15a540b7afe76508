import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { keysymOfName, keysymsOfKeys, needsShift, parseChord } from './key-names.ts';

test.each([
  // X's, as xdotool has them.
  ['Return', 0xff0d],
  ['BackSpace', 0xff08],
  ['Page_Up', 0xff55],
  ['Prior', 0xff55],
  ['KP_Enter', 0xff8d],
  ['Super_L', 0xffeb],
  ['ISO_Level3_Shift', 0xfe03],
  ['exclam', 0x21],
  ['eacute', 0xe9],
  ['dead_acute', 0xfe51],
  ['XF86AudioMute', 0x1008ff12],
  ['F12', 0xffc9],
  ['ctrl', 0xffe3],
  ['meta', 0xffe7],
  // KeyboardEvent.key and KeyboardEvent.code.
  ['Enter', 0xff0d],
  ['ArrowLeft', 0xff51],
  ['Meta', 0xffeb],
  ['AltGraph', 0xfe03],
  ['AudioVolumeUp', 0x1008ff13],
  ['KeyA', 0x61],
  ['Digit7', 0x37],
  ['Numpad7', 0xffb7],
  ['NumpadEnter', 0xff8d],
  ['NumpadAdd', 0xffab],
  ['BracketLeft', 0x5b],
  ['ControlRight', 0xffe4],
  ['ShiftLeft', 0xffe1],
  // As people and models write them.
  ['CTRL', 0xffe3],
  ['ENTER', 0xff0d],
  ['ESC', 0xff1b],
  ['pagedown', 0xff56],
  ['page down', 0xff56],
  ['ARROWUP', 0xff52],
  ['cmd', 0xffeb],
  ['option', 0xffe9],
  ['spacebar', 0x20],
  ['CapsLock', 0xffe5],
  // Characters.
  ['a', 0x61],
  ['0', 0x30],
  ['+', 0x2b],
  [' ', 0x20],
  ['€', 0x010020ac],
  ['漢', 0x01006f22],
  ['😀', 0x0101f600],
  ['U20AC', 0x010020ac],
  ['U+00e9', 0xe9],
  ['0xff0d', 0xff0d],
])('the key %s is found', (name, keysym) => {
  expect(keysymOfName(name)).toBe(keysym);
});

test('an unknown key is refused by its name, with those that are near', () => {
  assert.throws(() => keysymOfName('Retrun'), { code: 'KEY_UNKNOWN', message: /"Retrun".*near are Return/ });
  assert.throws(() => keysymOfName('Escpae'), { code: 'KEY_UNKNOWN', message: /Escape/ });
  assert.throws(() => keysymOfName('notakeyatall'), { code: 'KEY_UNKNOWN', message: /"notakeyatall"$/ });
  assert.throws(
    () => keysymOfName('x'.repeat(10_000)),
    (error: Error) => error.message.length < 200,
  );
});

test.each([
  ['ctrl+s', [0xffe3, 0x73]],
  ['ctrl+shift+t', [0xffe3, 0xffe1, 0x54]],
  ['shift+x', [0xffe1, 0x58]],
  ['shift+1', [0xffe1, 0x31]],
  ['ctrl + alt + Delete', [0xffe3, 0xffe9, 0xffff]],
  ['ctrl++', [0xffe3, 0x2b]],
  ['+', [0x2b]],
  ['ctrl+-', [0xffe3, 0x2d]],
  [' ', [0x20]],
  ['Return', [0xff0d]],
])('the chord %s is its keys in order', (chord, keysyms) => {
  expect(parseChord(chord)).toEqual(keysyms);
});

test('a capital letter holds Shift, unless the chord has one', () => {
  expect(parseChord('A')).toEqual([0xffe1, 0x41]);
  expect(parseChord('ctrl+T')).toEqual([0xffe3, 0xffe1, 0x54]);
  expect(parseChord('shift+T')).toEqual([0xffe1, 0x54]);
  expect(keysymsOfKeys(['ctrl', 'T'])).toEqual([0xffe3, 0xffe1, 0x54]);
});

test.each(['', 'ctrl+', '++a+', 'ctrl+nokeyhere', Array.from({ length: 11 }, () => 'a').join('+')])(
  'the chord "%s" is refused',
  (chord) => {
    assert.throws(() => parseChord(chord), { code: 'KEY_UNKNOWN' });
  },
);

test('Shift is needed by capitals, and by nothing that has none', () => {
  expect(Array.from('AΩÉ').every(needsShift)).toBe(true);
  expect(Array.from('aω1!漢 ß😀').some(needsShift)).toBe(false);
});
