import assert from 'node:assert/strict';
import { test } from 'vitest';
import { readActions } from './action-words.ts';
import { UsageError } from './usage-error.ts';

test('short forms and JSON stand side by side, in order', () => {
  const words = ['click', '0', '20', 'click', 'type', 'click', 'key', 'ctrl+t', 'scroll', '0', '-3', 'wait', '500'];

  const actions = readActions([...words, '{"type": "screenshot", "format": "png"}', '[{"type": "cursor_position"}]']);

  const button = { button: 'left', count: 1 };
  assert.deepEqual(actions, [
    { type: 'click', x: 0, y: 20, ...button },
    { type: 'click', ...button },
    { type: 'type', text: 'click' },
    { type: 'key', keys: 'ctrl+t', repeat: 1 },
    { type: 'scroll', dx: 0, dy: -3, unit: 'notches' },
    { type: 'wait', ms: 500 },
    { type: 'screenshot', format: 'png' },
    { type: 'cursor_position' },
  ]);
});

test.each([
  [['fly'], /"fly" is no action/],
  [['toString'], /"toString" is no action/],
  [['move', '1'], /move takes 2 words/],
  [['move', '1', 'x'], /move takes 2 words/],
  [['type'], /type takes 1 words/],
  [['{"type": "move"'], /no JSON/],
  [['wait', '5', '{"type": "move", "x": 1}'], /action 2: y/],
])('%j is told to be no action', (words, message) => {
  assert.throws(
    () => readActions(words),
    (thrown) => thrown instanceof UsageError && message.test(thrown.message),
  );
});
