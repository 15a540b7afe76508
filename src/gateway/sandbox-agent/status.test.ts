import { expect, test } from 'vitest';
import type { AgentState } from '../agents/hub.ts';
import type { SessionRow } from '../store/tables.ts';
import { refusalOf, statusOf } from './status.ts';

const ROW: SessionRow = {
  id: 's-1',
  agent_id: 'host-1',
  spec: '{}',
  state: 'running',
  streamer: 'neko',
  reason_code: null,
  reason_message: null,
  log_tail: null,
  exit_code: null,
  created_at: '2026-01-01T00:00:00.000Z',
  updated_at: '2026-01-01T00:00:00.000Z',
  ended_at: null,
  template_id: null,
  template_revision: null,
  home: null,
  pool: null,
  wish: null,
  started_at: '2026-01-01T00:00:05.000Z',
  idle_at: null,
  ends_at: null,
  restarts: 0,
  restart_at: null,
};

test.each([
  ['pending', 'online', 'starting', 'desktop_runtime_starting'],
  ['starting', 'online', 'starting', 'desktop_runtime_starting'],
  ['running', 'online', 'active', undefined],
  ['running', 'degraded', 'active', undefined],
  ['running', 'offline', 'failed', 'desktop_runtime_failed'],
  ['paused', 'online', 'inactive', 'desktop_runtime_inactive'],
  ['hibernating', 'online', 'stopping', 'desktop_runtime_starting'],
  ['hibernated', 'offline', 'inactive', 'desktop_runtime_inactive'],
  ['stopping', 'online', 'stopping', 'desktop_runtime_starting'],
  ['stopped', 'online', 'inactive', 'desktop_runtime_inactive'],
  ['failed', 'online', 'failed', 'desktop_runtime_failed'],
] as const)('a session that is %s at a host that is %s is told as %s', (state, agent: AgentState, told, refusal) => {
  const status = statusOf({ ...ROW, state }, agent);

  expect([status.state, refusalOf(status)]).toEqual([told, refusal]);
  expect(status.startedAt).toBe(told === 'active' ? ROW.started_at : null);
});

test('why a session failed is told, and what its host misses as such', () => {
  const failed = { ...ROW, state: 'failed', reason_code: 'PART_LOST', reason_message: 'its X server ended' } as const;
  const missing = { ...failed, reason_code: 'DEPENDENCY_MISSING', reason_message: 'no Xvnc' };

  expect(statusOf(failed, 'online').lastError).toEqual({
    code: 'desktop_runtime_failed',
    message: 'PART_LOST: its X server ended',
  });
  expect(statusOf(missing, 'online').state).toBe('install_required');
  expect(statusOf(missing, 'online').lastError?.code).toBe('desktop_dependencies_missing');
  expect(statusOf({ ...failed, state: 'running' }, 'online').lastError).toBe(undefined);
  expect(statusOf(ROW, 'offline').lastError).toEqual({ code: 'desktop_runtime_failed', message: 'its host is away' });
});
