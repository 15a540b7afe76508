import { expect, test } from 'vitest';
import { explain } from './reasons.ts';
import { viewerState } from './viewer-state.ts';

const LOST = { name: 'lost', reason: explain('LINK_LOST'), retryAtMs: 5 } as const;
const PLAYING = { name: 'playing', isStalled: false } as const;

test('a picture that goes on is live, and says that signaling is being restored', () => {
  expect(viewerState(LOST, PLAYING, undefined)).toEqual({
    name: 'live',
    restoring: { reason: explain('LINK_LOST'), retryAtMs: 5 },
    isStalled: false,
  });
});

test('without a picture a lost connection is told', () => {
  expect(viewerState(LOST, { name: 'none' }, undefined)).toMatchObject({ name: 'reconnecting', retryAtMs: 5 });
});

test('what was wrong stays until there is a picture again', () => {
  const trouble = explain('STREAMER_LOST');

  expect(viewerState({ name: 'up' }, { name: 'opening' }, trouble)).toEqual({
    name: 'reconnecting',
    reason: trouble,
    retryAtMs: undefined,
  });
  expect(viewerState({ name: 'up' }, PLAYING, trouble)).toMatchObject({ name: 'live', restoring: undefined });
});

test('a paused session is told as that, whatever its picture is', () => {
  expect(viewerState({ name: 'paused' }, PLAYING, undefined)).toEqual({ name: 'paused' });
  expect(viewerState({ name: 'paused' }, { name: 'none' }, explain('LINK_LOST'))).toEqual({ name: 'paused' });
});

test('an end is an end, whatever still plays', () => {
  expect(viewerState({ name: 'ended', reason: explain('KICKED') }, PLAYING, undefined)).toMatchObject({
    name: 'closed',
  });
});

test('the first time it says how far it is', () => {
  expect(viewerState({ name: 'joining' }, { name: 'none' }, undefined)).toMatchObject({ step: 'joining' });
  expect(viewerState({ name: 'up' }, { name: 'opening' }, undefined)).toMatchObject({ step: 'opening-picture' });
});
