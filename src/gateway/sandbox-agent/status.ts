import { z } from 'zod';
import { GatewayError, toGatewayError, type FailureCode } from '../../errors.ts';
import type { AgentState, Hub } from '../agents/hub.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { SessionRow } from '../store/tables.ts';
import { DesktopFailure, type SandboxCode } from './problem.ts';
import { Windows } from './windows.ts';

/** Dots an inch that our X servers tell programs, all of them. */
export const DPI = 96;

export const Resolution = z.object({ width: z.int(), height: z.int(), dpi: z.int() });

export const Status = z.object({
  state: z.enum(['inactive', 'install_required', 'starting', 'active', 'stopping', 'failed']),
  display: z.string().optional(),
  resolution: Resolution.optional(),
  startedAt: z.string().nullable(),
  lastError: z.object({ code: z.string(), message: z.string() }).optional(),
  missingDependencies: z.array(z.string()),
  processes: z.array(z.never()),
  windows: Windows.optional(),
});
export type Status = z.infer<typeof Status>;

/** What sandbox-agent would say of the desktop of this session, before it is asked itself. */
export function statusOf(session: SessionRow, agent: AgentState): Status {
  const { reason_code: code, reason_message: message, started_at: startedAt } = session;
  const state = stateOf(session, agent);
  const isLost = state === 'failed' && session.state === 'running';
  const told = code === null || state === 'active' ? undefined : `${code}: ${message ?? ''}`;
  const reason = isLost ? 'its host is away' : told;
  return {
    state,
    startedAt: state === 'active' ? startedAt : null,
    ...(reason !== undefined && { lastError: { code: REFUSALS[state] ?? 'desktop_runtime_failed', message: reason } }),
    missingDependencies: [],
    processes: [],
  };
}

/** What those are told who would see or drive a desktop in this state; undefined for one that is active. */
export function refusalOf({ state }: Pick<Status, 'state'>): SandboxCode | undefined {
  return REFUSALS[state];
}

/** Failures that the state of a session explains. */
const OF_STATE: readonly FailureCode[] = [
  'SESSION_NOT_RUNNING',
  'SESSION_HIBERNATED',
  'SESSION_ENDED',
  'AGENT_OFFLINE',
];

/** What somebody is told who was refused a desktop, called by the state that it is in where that is why. */
export async function nameByState(
  { sessions, hub }: { sessions: Sessions; hub: Hub },
  sessionId: string,
  thrown: unknown,
): Promise<GatewayError> {
  const failure = toGatewayError(thrown);
  if (!OF_STATE.includes(failure.code)) return failure;
  const session = await sessions.get(sessionId);
  const called = refusalOf(statusOf(session, hub.stateOf(session.agent_id)));
  return called === undefined ? failure : new DesktopFailure(called, failure, { cause: failure });
}

const REFUSALS: Partial<Record<Status['state'], SandboxCode>> = {
  inactive: 'desktop_runtime_inactive',
  starting: 'desktop_runtime_starting',
  stopping: 'desktop_runtime_starting',
  failed: 'desktop_runtime_failed',
  install_required: 'desktop_dependencies_missing',
};

function stateOf({ state, reason_code: reason }: SessionRow, agent: AgentState): Status['state'] {
  switch (state) {
    case 'pending':
    case 'starting':
    case 'warm':
      return 'starting';
    case 'running':
      return agent === 'offline' ? 'failed' : 'active';
    case 'paused':
    case 'hibernated':
    case 'stopped':
      return 'inactive';
    case 'hibernating':
    case 'stopping':
      return 'stopping';
    case 'failed':
      return reason === 'DEPENDENCY_MISSING' ? 'install_required' : 'failed';
    default:
      throw new GatewayError('INTERNAL', `unreachable: ${String(state satisfies never)}`);
  }
}
