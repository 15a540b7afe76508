import { expect, test } from 'vitest';
import { type StallSample, StallWatch } from './stall-watch.ts';

test('a desktop on which nothing moves is left alone, however long', () => {
  const verdicts = watch([0, 2, 4, 60, 600].map((second) => at(second)));

  expect(new Set(verdicts)).toEqual(new Set(['fine']));
});

test('packets that make no frame for five seconds get a key frame asked for, once, and then count as a stall', () => {
  const verdicts = watch([0, 2, 4, 6, 8, 10, 12].map((second) => at(second, { packetsReceived: second * 100 })));

  expect(verdicts).toEqual(['fine', 'fine', 'fine', 'ask', 'fine', 'fine', 'stalled']);
});

test('a press that nothing on the screen answers is followed up', () => {
  const pressed = { droveAtMs: 101_000 };
  const verdicts = watch([at(100), at(102, pressed), at(104, pressed), at(106, pressed), at(111, pressed)]);

  expect(verdicts).toEqual(['fine', 'fine', 'fine', 'ask', 'stalled']);
});

test('one who presses again and again is not put off by it', () => {
  const pressing = [101, 103, 105, 107].map((second) => at(second, { droveAtMs: second * 1000 }));
  const verdicts = watch([at(100), ...pressing]);

  expect(verdicts).toEqual(['fine', 'fine', 'fine', 'fine', 'ask']);
});

test('a frame that came before the press is no answer to it, though it is counted after', () => {
  const pressed = { droveAtMs: 101_000, framesDecoded: 11, heardAtMs: 100_900 };
  const verdicts = watch([at(100), at(102, pressed), at(104, pressed), at(106, pressed)]);

  expect(verdicts).toEqual(['fine', 'fine', 'fine', 'ask']);
});

test('the frame that was asked for ends it', () => {
  const pressed = { droveAtMs: 101_000 };
  const verdicts = watch([
    at(100),
    at(106, pressed),
    at(108, { ...pressed, framesDecoded: 11 }),
    at(120, { ...pressed, framesDecoded: 11 }),
  ]);

  expect(verdicts).toEqual(['fine', 'ask', 'fine', 'fine']);
});

test('another stream starts with a clean record', () => {
  const stall = new StallWatch();
  stall.observe(at(0));
  stall.observe(at(6, { packetsReceived: 500 }));

  stall.reset();

  expect(stall.observe(at(20, { framesDecoded: 0 }))).toBe('fine');
});

function watch(samples: readonly StallSample[]): string[] {
  const stall = new StallWatch();
  return samples.map((sample) => stall.observe(sample));
}

function at(second: number, changes: Partial<StallSample> = {}): StallSample {
  const atMs = second * 1000;
  return { atMs, framesDecoded: 10, packetsReceived: 0, heardAtMs: atMs, droveAtMs: undefined, ...changes };
}
