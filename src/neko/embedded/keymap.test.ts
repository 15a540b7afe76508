import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { findKeycode, listSpareKeycodes, type ModifierState, upperKeysym } from './keymap.ts';

const NOTHING: ModifierState = { shift: false, lock: false, numLock: false, level3: false, group: 0 };
const TAB = 0xff09;
const ISO_LEFT_TAB = 0xfe20;
const KP_END = 0xff9c;
const KP_1 = 0xffb1;
const EURO = 0x20ac;

const KEYMAP = {
  first: 8,
  rows: [
    [0, 0, 0, 0, 0, 0], // 8: spare
    [0x61, 0x41, 0x61, 0x41, 0, 0], // 9: a A
    [0x31, 0x21, 0x31, 0x21, 0, 0], // 10: 1 !
    [TAB, ISO_LEFT_TAB, 0, 0, 0, 0], // 11
    [KP_END, KP_1, 0, 0, 0, 0], // 12
    [0x65, 0x45, 0x65, 0x45, EURO, 0], // 13: e E €
    [0x62], // 14: b, as a client may have set it
    [], // 15: spare
  ],
};

describe('a keysym is found', () => {
  for (const [name, keysym, state, keycode] of [
    ['a', 0x61, {}, 9],
    ['A with Shift', 0x41, { shift: true }, 9],
    ['A with Caps Lock', 0x41, { lock: true }, 9],
    ['a with Caps Lock and Shift', 0x61, { lock: true, shift: true }, 9],
    ['! with Shift', 0x21, { shift: true }, 10],
    ['1 in spite of Caps Lock', 0x31, { lock: true }, 10],
    ['Tab with Shift, though the map calls it otherwise', TAB, { shift: true }, 11],
    ['KP_End without NumLock', KP_END, {}, 12],
    ['KP_1 with NumLock', KP_1, { numLock: true }, 12],
    ['€ with AltGr', EURO, { level3: true }, 13],
    ['B of a key with one column', 0x42, { shift: true }, 14],
  ] as const) {
    test(`${name}, under the right modifiers`, () =>
      assert.equal(findKeycode(KEYMAP, keysym, { ...NOTHING, ...state }), keycode));
  }
});

describe('a keysym that its key would not give now is not found', () => {
  for (const [name, keysym, state] of [
    ['A without Shift', 0x41, {}],
    ['a with Shift', 0x61, { shift: true }],
    ['! without Shift', 0x21, {}],
    ['€ without AltGr', EURO, {}],
    ['KP_1 without NumLock', KP_1, {}],
    ['one that no key has', 0x0100_6f22, {}],
  ] as const) {
    test(`${name}, under these modifiers`, () =>
      assert.equal(findKeycode(KEYMAP, keysym, { ...NOTHING, ...state }), undefined));
  }
});

test('keys without any keysym are spare', () => {
  assert.deepEqual(listSpareKeycodes(KEYMAP), [8, 15]);
});

test('upper case is known in several scripts, and where there is none a keysym is its own', () => {
  const unicode = (letter: string): number => 0x0100_0000 + (letter.codePointAt(0) ?? 0);
  assert.deepEqual([0x61, 0xe9, 0xf7, unicode('ω'), unicode('漢'), unicode('ß'), TAB].map(upperKeysym), [
    0x41,
    0xc9,
    0xf7,
    unicode('Ω'),
    unicode('漢'),
    unicode('ß'),
    TAB,
  ]);
});
