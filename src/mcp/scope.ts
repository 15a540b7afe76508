import { NekogateError } from '../sdk/index.ts';

/** What an MCP server's clients may reach and do; what is not said, they may not. */
export interface Scope {
  sessions: readonly string[] | 'all';
  /** Clicks and types; else tools only look. */
  mayDrive: boolean;
  /** Starts and stops sessions. */
  mayManage: boolean;
}

/** The session that a call is for: the one it names, or the only one. @throws NekogateError FORBIDDEN | BAD_REQUEST */
export function sessionIn(sessions: ReadonlySet<string> | 'all', named: string | undefined): string {
  if (named === undefined) {
    const [only, ...more] = sessions === 'all' ? [] : sessions;
    if (only !== undefined && more.length === 0) return only;
    throw new NekogateError('BAD_REQUEST', 'say which session; session_list tells those that there are');
  }
  if (sessions !== 'all' && !sessions.has(named))
    throw new NekogateError('FORBIDDEN', `session ${named} is not one that this server may reach`);
  return named;
}
