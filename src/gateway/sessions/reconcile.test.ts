import { assert, test } from 'vitest';
import { reconcile } from './reconcile.ts';

test('what runs on the host as the store thinks stays', () => {
  const report = { sessionId: 's-1', state: 'running' } as const;

  assert.deepEqual(reconcile([{ id: 's-1', state: 'starting' }], [report]), {
    apply: [report],
    stop: [],
    hibernate: [],
  });
});

test('what the host has no more is failed, with the reason', () => {
  const { apply, stop } = reconcile([{ id: 's-1', state: 'running' }], []);

  assert.deepInclude(apply[0], { sessionId: 's-1', state: 'failed' });
  assert.equal(apply[0]?.reason?.code, 'AGENT_OFFLINE');
  assert.deepEqual(stop, []);
});

test('a stop that was asked for while the agent was away is done when it is back', () => {
  const stored = [
    { id: 's-1', state: 'stopping' },
    { id: 's-2', state: 'stopping' },
  ] as const;

  const plan = reconcile(stored, [{ sessionId: 's-1', state: 'running' }]);

  assert.deepEqual(plan.stop, ['s-1']);
  assert.deepInclude(plan.apply, { sessionId: 's-2', state: 'stopped' });
});

test('what the store does not know, or holds as ended, is ended on the host', () => {
  const inventory = [
    { sessionId: 's-1', state: 'running' },
    { sessionId: 's-2', state: 'failed' },
  ] as const;

  assert.deepEqual(reconcile([], inventory), { apply: [], stop: ['s-1'], hibernate: [] });
});

test('a hibernation that was asked for while the agent was away is done when it is back', () => {
  const stored = [
    { id: 's-1', state: 'hibernating' },
    { id: 's-2', state: 'hibernating' },
  ] as const;

  const plan = reconcile(stored, [{ sessionId: 's-1', state: 'paused' }]);

  assert.deepEqual(plan.hibernate, ['s-1']);
  assert.deepInclude(plan.apply, { sessionId: 's-2', state: 'hibernated' });
});

test('a paused session that the host still has is paused', () => {
  const report = { sessionId: 's-1', state: 'paused' } as const;

  assert.deepEqual(reconcile([{ id: 's-1', state: 'paused' }], [report]).apply, [report]);
});

test('one that waits for its restart is not failed again because nothing of it runs', () => {
  const stored = [{ id: 's-1', state: 'pending', restart_at: '2026-01-01T00:00:00.000Z' }] as const;

  assert.deepEqual(reconcile(stored, []).apply, []);
  assert.deepEqual(reconcile(stored, [{ sessionId: 's-1', state: 'failed' }]).apply, []);
});
