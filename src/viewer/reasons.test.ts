import { expect, test } from 'vitest';
import { explain, explainClose } from './reasons.ts';

test('a revoked access is final and says so', () => {
  expect(explainClose({ code: 4403, reason: 'ACCESS_REVOKED' }, undefined)).toMatchObject({
    code: 'ACCESS_REVOKED',
    title: 'This access was revoked',
    retryable: false,
  });
});

test('a lost streamer is worth another try', () => {
  expect(explainClose({ code: 4502, reason: 'STREAMER_LOST' }, undefined)).toMatchObject({ retryable: true });
});

test('a close without words is understood by its number', () => {
  expect(explainClose({ code: 4411, reason: '' }, undefined)).toMatchObject({
    code: 'SESSION_ENDED',
    retryable: false,
  });
  expect(explainClose({ code: 1006, reason: '' }, undefined)).toMatchObject({ code: 'LINK_LOST', retryable: true });
  expect(explainClose({ code: 1000, reason: '' }, undefined)).toMatchObject({ code: 'ENDED', retryable: false });
});

test('what was said before an unexplained close is shown', () => {
  const reason = explainClose({ code: 1000, reason: '' }, { code: 'ENDED_BY_HOST', message: 'session has ended' });

  expect(reason).toMatchObject({ code: 'ENDED_BY_HOST', message: 'session has ended', retryable: false });
});

test('a code that is not known still has a title and keeps its message', () => {
  expect(explain('constructor', 'odd')).toMatchObject({ title: 'The session is not available', message: 'odd' });
});
