import { expect, test } from 'vitest';
import { findKeysym, keysymOfCharacter } from './keysyms.ts';

const STANDARD = 0;
const LEFT = 1;
const RIGHT = 2;
const KEYPAD = 3;

test.each([
  ['a', 'KeyA', STANDARD, 0x61],
  ['A', 'KeyA', STANDARD, 0x41],
  ['{', 'BracketLeft', STANDARD, 0x7b],
  ['é', 'Digit2', STANDARD, 0xe9],
  ['ß', 'Minus', STANDARD, 0xdf],
  ['€', 'KeyE', STANDARD, 0x010020ac],
  ['漢', '', STANDARD, 0x01006f22],
  ['😀', '', STANDARD, 0x0101f600],
  [' ', 'Space', STANDARD, 0x20],
])('the character %s is typed as itself', (key, code, location, keysym) => {
  expect(findKeysym({ key, code, location })).toBe(keysym);
});

test.each([
  ['Enter', 'Enter', 0xff0d],
  ['Backspace', 'Backspace', 0xff08],
  ['Delete', 'Delete', 0xffff],
  ['ArrowUp', 'ArrowUp', 0xff52],
  ['F1', 'F1', 0xffbe],
  ['F12', 'F12', 0xffc9],
  ['F24', 'F24', 0xffd5],
  ['AltGraph', 'AltRight', 0xfe03],
  ['AudioVolumeMute', 'AudioVolumeMute', 0x1008ff12],
])('the named key %s has its keysym', (key, code, keysym) => {
  expect(findKeysym({ key, code, location: STANDARD })).toBe(keysym);
});

test('left and right modifiers are told apart, by location or by the physical key', () => {
  expect(findKeysym({ key: 'Shift', code: 'ShiftLeft', location: LEFT })).toBe(0xffe1);
  expect(findKeysym({ key: 'Shift', code: 'ShiftRight', location: RIGHT })).toBe(0xffe2);
  expect(findKeysym({ key: 'Control', code: 'ControlRight', location: STANDARD })).toBe(0xffe4);
  expect(findKeysym({ key: 'Alt', code: 'AltLeft', location: LEFT })).toBe(0xffe9);
  expect(findKeysym({ key: 'Meta', code: 'MetaRight', location: RIGHT })).toBe(0xffec);
});

test('the keypad keeps its own keys, with and without NumLock', () => {
  expect(findKeysym({ key: '7', code: 'Numpad7', location: KEYPAD })).toBe(0xffb7);
  expect(findKeysym({ key: 'Home', code: 'Numpad7', location: KEYPAD })).toBe(0xff95);
  expect(findKeysym({ key: 'Enter', code: 'NumpadEnter', location: KEYPAD })).toBe(0xff8d);
  expect(findKeysym({ key: '+', code: 'NumpadAdd', location: KEYPAD })).toBe(0xffab);
  expect(findKeysym({ key: '7', code: 'Digit7', location: STANDARD })).toBe(0x37);
});

test('a key that the browser cannot name is found by its place', () => {
  expect(findKeysym({ key: 'Unidentified', code: 'ArrowLeft', location: STANDARD })).toBe(0xff51);
  expect(findKeysym({ key: '', code: 'ShiftRight', location: RIGHT })).toBe(0xffe2);
});

test.each(['Dead', 'Process', 'Unidentified', 'F99', 'constructor', '__proto__'])('%s has no keysym', (key) => {
  expect(findKeysym({ key, code: '', location: STANDARD })).toBeUndefined();
});

test('line breaks and tabs in a text are the keys that make them', () => {
  expect(keysymOfCharacter('\n')).toBe(0xff0d);
  expect(keysymOfCharacter('\t')).toBe(0xff09);
  expect(() => keysymOfCharacter('')).toThrow(RangeError);
});
