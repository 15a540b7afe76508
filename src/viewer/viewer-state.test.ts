import { expect, test } from 'vitest';
import { explain } from './reasons.ts';
import { viewerState, type Seen } from './viewer-state.ts';

const LOST = { name: 'lost', reason: explain('LINK_LOST'), retryAtMs: 5 } as const;
const PLAYING = { name: 'playing', isStalled: false } as const;
const BROKEN = { name: 'broken', reason: explain('MEDIA_UNREACHABLE'), retryAtMs: 7 } as const;

function stateOf(seen: Partial<Seen>): ReturnType<typeof viewerState> {
  return viewerState({
    signaling: { name: 'up' },
    picture: { name: 'none' },
    plan: undefined,
    isFlowing: false,
    isVncShown: false,
    trouble: undefined,
    ...seen,
  });
}

test('a picture that goes on is live, and says that signaling is being restored', () => {
  expect(stateOf({ signaling: LOST, picture: PLAYING, plan: 'turn' })).toEqual({
    name: 'live',
    rung: 'turn',
    restoring: { reason: explain('LINK_LOST'), retryAtMs: 5 },
    isStalled: false,
  });
});

test('without a picture a lost connection is told', () => {
  expect(stateOf({ signaling: LOST })).toMatchObject({ name: 'reconnecting', retryAtMs: 5 });
});

test('a picture by VNC is live where there is no better one, and signaling is there to drive by', () => {
  expect(stateOf({ picture: BROKEN, isVncShown: true })).toMatchObject({ name: 'live', rung: 'vnc' });
  expect(stateOf({ picture: PLAYING, isVncShown: true })).toMatchObject({ name: 'live', rung: 'vnc' });
  const flowing = { picture: PLAYING, plan: 'tcp', isFlowing: true, isVncShown: true } as const;
  expect(stateOf(flowing)).toMatchObject({ name: 'live', rung: 'tcp' });
  expect(stateOf({ signaling: LOST, picture: BROKEN, isVncShown: true })).toMatchObject({ name: 'reconnecting' });
});

test('what was wrong stays until there is a picture again', () => {
  const trouble = explain('STREAMER_LOST');

  expect(stateOf({ picture: { name: 'opening' }, trouble })).toEqual({
    name: 'reconnecting',
    reason: trouble,
    retryAtMs: undefined,
  });
  expect(stateOf({ picture: PLAYING, trouble })).toMatchObject({ name: 'live', restoring: undefined });
});

test('a paused session is told as that, whatever its picture is', () => {
  expect(stateOf({ signaling: { name: 'paused' }, picture: PLAYING })).toEqual({ name: 'paused' });
  expect(stateOf({ signaling: { name: 'paused' }, trouble: explain('LINK_LOST') })).toEqual({ name: 'paused' });
});

test('an end is an end, whatever still plays', () => {
  const ended = { name: 'ended', reason: explain('KICKED') } as const;

  expect(stateOf({ signaling: ended, picture: PLAYING, isVncShown: true })).toMatchObject({ name: 'closed' });
});

test('the first time it says how far it is', () => {
  expect(stateOf({ signaling: { name: 'joining' } })).toMatchObject({ step: 'joining' });
  expect(stateOf({ picture: { name: 'opening' } })).toMatchObject({ step: 'opening-picture' });
});
