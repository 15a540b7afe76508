import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { InputEvent } from '../../input/data-channel.ts';
import { Gestures } from './gestures.ts';
import { NativeTouch } from './native-touch.ts';
import type { Finger, FingerReader } from './touch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a tap is a click where the finger was', () => {
  const hand = openHand((deps) => new Gestures(deps));

  hand.reader.down(finger(1, 40, 50));
  hand.reader.move(finger(1, 43, 52));
  hand.reader.up(finger(1, 43, 52));

  expect(hand.told).toEqual(['move 40 50', 'down 1', 'up 1']);
});

test('a second tap soon and near is a double click on the same pixel', () => {
  const hand = openHand((deps) => new Gestures(deps));

  hand.reader.down(finger(1, 40, 50));
  hand.reader.up(finger(1, 40, 50, 100));
  hand.reader.down(finger(2, 52, 44, 200));
  hand.reader.up(finger(2, 52, 44, 300));

  expect(hand.told.slice(3)).toEqual(['move 40 50', 'down 1', 'up 1']);
});

test('a long press is a right click, and letting go adds nothing', () => {
  const hand = openHand((deps) => new Gestures(deps));

  hand.reader.down(finger(1, 40, 50));
  vi.advanceTimersByTime(600);
  hand.reader.up(finger(1, 40, 50));

  expect(hand.told).toEqual(['move 40 50', 'down 3', 'up 3']);
});

test('a finger that moves drags from where it came down', () => {
  const hand = openHand((deps) => new Gestures(deps));

  hand.reader.down(finger(1, 40, 50));
  hand.reader.move(finger(1, 60, 50));
  hand.reader.move(finger(1, 80, 50));
  hand.reader.up(finger(1, 80, 50));

  expect(hand.told).toEqual(['move 40 50', 'down 1', 'move 60 50', 'move 80 50', 'move 80 50', 'up 1']);
});

test('two fingers scroll: what is under them follows', () => {
  const hand = openHand((deps) => new Gestures(deps));

  hand.reader.down(finger(1, 40, 50));
  hand.reader.down(finger(2, 80, 50));
  for (let y = 50; y >= -60; y -= 10) {
    hand.reader.move(finger(1, 40, y));
    hand.reader.move(finger(2, 80, y));
  }
  vi.advanceTimersByTime(200);
  hand.reader.up(finger(1, 40, -60));
  hand.reader.up(finger(2, 80, -60));

  expect(hand.told).toEqual(['move 40 50', 'scroll 0 -1', 'scroll 0 -1']);
});

test('a drag that the browser takes away lets the button go', () => {
  const hand = openHand((deps) => new Gestures(deps));

  hand.reader.down(finger(1, 40, 50));
  hand.reader.move(finger(1, 60, 50));
  hand.reader.cancel();

  expect(hand.told.at(-1)).toBe('up 1');
});

test('native touches keep their fingers apart, with the smallest free number for each', () => {
  const hand = openHand((deps) => new NativeTouch(deps));

  hand.reader.down(finger(71, 10, 10));
  hand.reader.down(finger(72, 20, 20));
  hand.reader.move(finger(72, 25, 20));
  hand.reader.move(finger(72, 25, 20));
  hand.reader.up(finger(71, 10, 10));
  hand.reader.down(finger(73, 30, 30));
  hand.reader.cancel();

  expect(hand.told).toEqual([
    'begin 0 10 10',
    'begin 1 20 20',
    'update 1 25 20',
    'end 0 10 10',
    'begin 0 30 30',
    'end 1 25 20',
    'end 0 30 30',
  ]);
});

function openHand(open: (deps: ConstructorParameters<typeof Gestures>[0]) => FingerReader) {
  const told: string[] = [];
  const reader = open({ locate: (x, y) => ({ x, y }), send: (event) => told.push(describe(event)) });
  return { reader, told };
}

function describe(event: InputEvent): string {
  switch (event.type) {
    case 'move':
      return `move ${event.x} ${event.y}`;
    case 'button':
      return `${event.down ? 'down' : 'up'} ${event.button}`;
    case 'scroll':
      return `scroll ${event.deltaX} ${event.deltaY}`;
    case 'touch':
      return `${event.phase} ${event.touchId} ${event.x} ${event.y}`;
    case 'key':
    case 'ping':
      return event.type;
    default:
      throw new Error(`unreachable: ${JSON.stringify(event satisfies never)}`);
  }
}

function finger(id: number, x: number, y: number, timeMs = 0): Finger {
  return { id, at: { x, y }, pressure: 0.5, timeMs };
}
