import { expect, test } from 'vitest';
import { WHEEL_CLICKS_MAX, WheelCounter } from './wheel.ts';

const PIXELS = 0;
const LINES = 1;

function wheel(deltaY: number, deltaMode = PIXELS, deltaX = 0) {
  return { deltaX, deltaY, deltaMode };
}

test.each([
  ['120 pixels', wheel(120)],
  ['100 pixels', wheel(100)],
  ['three lines', wheel(3, LINES)],
])('one notch down, told as %s, is one click with the sign of down', (_name, delta) => {
  const counter = new WheelCounter();

  counter.add(delta, 0);

  expect(counter.take()).toEqual({ deltaX: 0, deltaY: -1 });
  expect(counter.take()).toBeUndefined();
});

test('up is positive, and right is negative', () => {
  const counter = new WheelCounter();

  counter.add(wheel(-120, PIXELS, 120), 0);

  expect(counter.take()).toEqual({ deltaX: -1, deltaY: 1 });
});

test('small movements of a touchpad add up and nothing of them is lost', () => {
  const counter = new WheelCounter();
  let clicks = 0;

  for (let step = 0; step < 53; step += 1) {
    counter.add(wheel(7), step * 16);
    clicks += counter.take()?.deltaY ?? 0;
  }

  expect(clicks).toBe(-7);
});

test('a fling is held to the most clicks of one message', () => {
  const counter = new WheelCounter();

  counter.add(wheel(-12_000), 0);

  expect(counter.take()).toEqual({ deltaX: 0, deltaY: WHEEL_CLICKS_MAX });
  expect(counter.take()).toBeUndefined();
});

test('turning round and pausing forget the rest of a click', () => {
  const counter = new WheelCounter();

  counter.add(wheel(50), 0);
  counter.add(wheel(-53), 10);
  expect(counter.take()).toEqual({ deltaX: 0, deltaY: 1 });

  counter.add(wheel(50), 20);
  counter.add(wheel(50), 1000);
  expect(counter.take()).toBeUndefined();
});
