import { afterEach, assert, beforeEach, test, vi } from 'vitest';
import { Fallback } from './fallback.ts';
import type { VncListener } from './picture.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What is told of each picture, by its number. */
function openFallback() {
  const story: string[] = [];
  const listeners: VncListener[] = [];
  const fallback = new Fallback({
    dial: () => assert.fail('the pictures here dial nothing'),
    open: (_dial, listener) => {
      const number = listeners.push(listener);
      story.push(`open ${number}`);
      return { close: () => void story.push(`close ${number}`) };
    },
    changed: () => undefined,
  });
  return { fallback, story, listeners };
}

test('a picture by a link that was lost is opened anew once there is one again', () => {
  const { fallback, story, listeners } = openFallback();
  fallback.want('now');
  vi.runAllTimers();
  listeners[0]?.shown();

  fallback.renew();

  assert.deepEqual(story, ['open 1', 'close 1', 'open 2']);
  assert.isFalse(fallback.isShown);
  listeners[1]?.shown();
  assert.isTrue(fallback.isShown);
});

test('a link that is back opens no picture where none is wanted', () => {
  const { fallback, story } = openFallback();

  fallback.renew();
  vi.runAllTimers();

  assert.deepEqual(story, []);
});
