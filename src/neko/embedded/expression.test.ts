import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { evaluate } from './expression.ts';

const SCREEN = { width: 1280, height: 720, fps: 30 };

describe('a pipeline setting is evaluated as neko does', () => {
  for (const [text, value] of [
    ['25', 25],
    ['round(3072 * 650)', 1_996_800],
    ['(3072 * 4)', 12_288],
    ['width / 2', 640],
    ['height - 2 * 60 + 1', 601],
    ['round(fps / 4)', 8],
    ['-1', -1],
    ['2.5*2', 5],
  ] as const) {
    test(`of ${text}`, () => assert.equal(evaluate(text, SCREEN), value));
  }
});

describe('what is no expression has no value', () => {
  for (const text of ['cbr', '', '1 +', '(2', '1 2', 'round 2', '1/0', 'width; reboot']) {
    test(`"${text}"`, () => assert.equal(evaluate(text, SCREEN), undefined));
  }
});
