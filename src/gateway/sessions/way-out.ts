import { GatewayError } from '../../errors.ts';
import type { SessionState } from '../../protocol/session.ts';
import type { SessionRow } from '../store/tables.ts';

type Action = 'pause' | 'resume' | 'hibernate' | 'wake' | 'restart';

/** What can be done with a session in each state. */
const WAYS_OUT: Record<SessionState, string> = {
  pending: 'wait until it runs, or stop it',
  starting: 'wait until it runs, or stop it',
  warm: 'it waits in a pool; create a session by its template to get it',
  running: 'pause, hibernate, restart or stop it',
  paused: 'resume, hibernate, restart or stop it',
  hibernating: 'wait until it is hibernated, then wake it',
  hibernated: 'wake or stop it',
  stopping: 'wait until it has stopped, then restart it',
  stopped: 'restart it, or make a new one',
  failed: 'see its reason; restart it, or make a new one',
};

/** The refusal of what a session's state doesn't allow, with what it does allow. */
export function refuse(action: Action, { id, state }: Pick<SessionRow, 'id' | 'state'>): GatewayError {
  return new GatewayError('CONFLICT', `session ${id} is ${state} and can't ${action} now: ${WAYS_OUT[state]}`);
}
