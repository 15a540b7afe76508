import assert from 'node:assert/strict';
import { pino } from 'pino';
import { test } from 'vitest';
import { MediaSource } from './media-source.ts';

test('a screen that can be captured again after one that could not be is, for those who watch already', async () => {
  const screen = { rate: 120 };
  await using source = new MediaSource(
    {
      id: 'main',
      pipeline: () => {
        if (screen.rate > 60) throw new RangeError('so many frames a second cannot be had');
        return ['fakesrc', '!', 'fakesink', 'sync=true'];
      },
      env: { PATH: '/usr/bin:/bin' },
      keyFrames: true,
      ssrc: 1,
      screen: undefined,
    },
    pino({ level: 'silent' }),
  );
  source.subscribe(() => undefined);
  assert.equal(source.isRunning, false);

  await source.stoppedDuring(async () => {
    screen.rate = 60;
  });

  assert.equal(source.isRunning, true);
});
