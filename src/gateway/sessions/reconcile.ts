import type { SessionReport } from '../../protocol/session.ts';
import type { SessionRow } from '../store/tables.ts';

export interface Plan {
  /** What the store takes over. */
  apply: SessionReport[];
  /** What the agent must end: the store doesn't know it, holds it as ended, or wants it ended. */
  stop: string[];
  /** What the agent must hibernate: that was asked for while it was away. */
  hibernate: string[];
}

/** Makes store and host agree when an agent comes: the host is right on what runs, the store on what should. */
export function reconcile(
  stored: readonly (Pick<SessionRow, 'id' | 'state'> & Partial<Pick<SessionRow, 'restart_at'>>)[],
  inventory: readonly SessionReport[],
): Plan {
  const reports = new Map(inventory.map((report) => [report.sessionId, report]));
  const plan: Plan = { apply: [], stop: [], hibernate: [] };
  for (const { id, state, restart_at: restartAt = null } of stored) {
    const report = reports.get(id);
    reports.delete(id);
    // It failed before, and the gateway will start it again: that nothing of it runs is known.
    if (restartAt !== null && !(report && isAlive(report))) continue;
    if (!report) plan.apply.push(goneWhile(id, state));
    else {
      plan.apply.push(report);
      if (state === 'stopping' && isAlive(report)) plan.stop.push(id);
      if (state === 'hibernating' && isAlive(report)) plan.hibernate.push(id);
    }
  }
  for (const report of reports.values()) if (isAlive(report)) plan.stop.push(report.sessionId);
  return plan;
}

function goneWhile(sessionId: string, state: SessionRow['state']): SessionReport {
  if (state === 'stopping') return { sessionId, state: 'stopped' };
  if (state === 'hibernating') return { sessionId, state: 'hibernated' };
  const message = 'the agent came back without this session; its host or its program was restarted';
  return { sessionId, state: 'failed', reason: { code: 'AGENT_OFFLINE', message } };
}

function isAlive({ state }: SessionReport): boolean {
  return state === 'pending' || state === 'starting' || state === 'running' || state === 'paused';
}
