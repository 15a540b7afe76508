import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { seededRandom } from '../../test/harness/random.ts';
import {
  decodeInput,
  decodeOutput,
  encodeInput,
  encodeOutput,
  type InputEvent,
  type OutputEvent,
} from './data-channel.ts';

const INPUTS: { event: InputEvent; hex: string }[] = [
  { event: { type: 'move', x: 0, y: 0 }, hex: '01 0004 0000 0000' },
  { event: { type: 'move', x: 1279, y: 719 }, hex: '01 0004 04ff 02cf' },
  { event: { type: 'scroll', deltaX: 0, deltaY: -3, controlKey: false }, hex: '02 0005 0000 fffd 00' },
  { event: { type: 'scroll', deltaX: 1, deltaY: 0, controlKey: true }, hex: '02 0005 0001 0000 01' },
  { event: { type: 'key', down: true, keysym: 0x61 }, hex: '03 0004 00000061' },
  { event: { type: 'key', down: false, keysym: 0x1006f22 }, hex: '04 0004 01006f22' },
  { event: { type: 'button', down: true, button: 1 }, hex: '05 0004 00000001' },
  { event: { type: 'button', down: false, button: 3 }, hex: '06 0004 00000003' },
  { event: { type: 'ping', clientMs: 1_700_000_000_000 }, hex: '07 0008 0000018b cfe5698b' },
  {
    event: { type: 'touch', phase: 'begin', touchId: 7, x: -1, y: 300, pressure: 255 },
    hex: '08 000d 00000007 ffffffff 0000012c ff',
  },
  {
    event: { type: 'touch', phase: 'update', touchId: 0, x: 0, y: 0, pressure: 0 },
    hex: '09 000d 00000000 00000000 00000000 00',
  },
  {
    event: { type: 'touch', phase: 'end', touchId: 7, x: 5, y: 6, pressure: 1 },
    hex: '0a 000d 00000007 00000005 00000006 01',
  },
];

const OUTPUTS: { event: OutputEvent; hex: string }[] = [
  { event: { type: 'cursor-position', x: 0, y: 65535 }, hex: '01 0007 0000 ffff' },
  {
    event: { type: 'cursor-image', width: 16, height: 24, hotX: 1, hotY: 0, png: new Uint8Array([0x89, 0x50]) },
    hex: '02 000d 0010 0018 0001 0000 8950',
  },
  { event: { type: 'pong', clientMs: 0, serverMs: 4_294_967_295 }, hex: '03 0013 00000000 00000000 00000001 00000000' },
];

describe('input events', () => {
  for (const { event, hex } of INPUTS) {
    test(`${describeEvent(event)} is ${hex} and comes back`, () => {
      assert.equal(toHex(encodeInput(event)), hex.replaceAll(' ', ''));
      assert.deepEqual(decodeInput(fromHex(hex)), event);
    });
  }

  test('a scroll of the old length 4 has no control key', () => {
    assert.deepEqual(decodeInput(fromHex('02 0004 0000 0001')), {
      type: 'scroll',
      deltaX: 0,
      deltaY: 1,
      controlKey: false,
    });
  });

  test('bytes in the middle of a larger buffer are read where they lie', () => {
    assert.deepEqual(decodeInput(fromHex('ffff 01 0004 0001 0002').subarray(2)), { type: 'move', x: 1, y: 2 });
  });

  for (const hex of [
    '',
    '01',
    '01 0004 0001',
    '02 0005 0000 0001',
    '08 000d 00000007',
    '00 0000',
    '0b 0000',
    'ff 0000',
  ]) {
    test(`"${hex}" is refused as a bad frame`, () => {
      assert.throws(() => decodeInput(fromHex(hex)), { code: 'BAD_FRAME' });
    });
  }

  test('a number that its field cannot hold is refused rather than cut', () => {
    assert.throws(() => encodeInput({ type: 'move', x: 65536, y: 0 }), RangeError);
    assert.throws(() => encodeInput({ type: 'move', x: -1, y: 0 }), RangeError);
    assert.throws(() => encodeInput({ type: 'scroll', deltaX: 0, deltaY: 0.5, controlKey: false }), RangeError);
  });
});

test('whatever its fields can hold comes back as it was', () => {
  const random = seededRandom(7);
  const int = (min: number, max: number): number => min + Math.floor(random() * (max - min + 1));
  const u16 = (): number => int(0, 0xffff);
  const u32 = (): number => int(0, 0xffffffff);
  const i32 = (): number => int(-0x80000000, 0x7fffffff);
  const i16 = (): number => int(-0x8000, 0x7fff);
  for (let i = 0; i < 2000; i++) {
    const down = random() < 0.5;
    const events: InputEvent[] = [
      { type: 'move', x: u16(), y: u16() },
      { type: 'scroll', deltaX: i16(), deltaY: i16(), controlKey: down },
      { type: 'key', down, keysym: u32() },
      { type: 'button', down, button: u32() },
      { type: 'ping', clientMs: int(0, 2 ** 48) },
      { type: 'touch', phase: down ? 'begin' : 'end', touchId: u32(), x: i32(), y: i32(), pressure: int(0, 255) },
    ];
    for (const event of events) assert.deepEqual(decodeInput(encodeInput(event)), event);
  }
});

describe('output events', () => {
  for (const { event, hex } of OUTPUTS) {
    test(`${describeEvent(event)} is ${hex} and comes back`, () => {
      assert.equal(toHex(encodeOutput(event)), hex.replaceAll(' ', ''));
      assert.deepEqual(decodeOutput(fromHex(hex)), event);
    });
  }

  for (const hex of ['', '01 0007 0000', '03 0013 00000000', '04 0000']) {
    test(`"${hex}" is refused as a bad frame`, () => {
      assert.throws(() => decodeOutput(fromHex(hex)), { code: 'BAD_FRAME' });
    });
  }
});

function describeEvent(event: InputEvent | OutputEvent): string {
  return JSON.stringify(event, (key, value: unknown) => (key === 'png' ? 'png' : value));
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
