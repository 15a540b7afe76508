import type { Logger } from 'pino';
import { toGatewayError } from '../../errors.ts';
import type { Hello } from '../../protocol/control.ts';
import { LOGINS_MAX_PER_AGENT, type LoginReport } from '../../protocol/login.ts';
import type { Accesses } from '../access/accesses.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Sessions } from '../sessions/sessions.ts';

export interface LostLoginsDeps {
  accesses: Accesses;
  sessions: Sessions;
  log: Logger;
}

interface Lost {
  agentId: string;
  report: LoginReport;
  /** By this gateway's clock. */
  until: number;
}

/** Logins that wait at their agents for a client that was lost, as the agents tell it. */
export class LostLogins {
  readonly #deps: LostLoginsDeps;
  readonly #lost = new Map<string, Lost>();

  constructor(deps: LostLoginsDeps) {
    this.#deps = deps;
  }

  /** Takes an agent's word for all of its logins. Those whose access counts no more are ended once the agent is live. */
  greet({ agent }: AgentConnection, { logins }: Hello): void {
    for (const [loginId, { agentId }] of this.#lost) if (agentId === agent.id) this.#lost.delete(loginId);
    for (const report of logins) this.reported(agent.id, report);
    // Read then and not now: a revocation from then on finds the agent itself.
    setImmediate(() => void this.#endStale(logins));
  }

  reported(agentId: string, report: LoginReport): void {
    const { loginId, state, leftMs = 0 } = report;
    const known = this.#lost.get(loginId);
    if (known && known.agentId !== agentId) return;
    this.#lost.delete(loginId);
    if (state !== 'lost') return;
    this.#forgetOld(agentId);
    this.#lost.set(loginId, { agentId, report, until: performance.now() + leftMs });
  }

  list(session: { id: string; agent_id: string }): LoginReport[] {
    return [...this.#lost.values()]
      .filter(({ agentId, report, until }) => {
        const isOfSession = report.sessionId === session.id && agentId === session.agent_id;
        return isOfSession && until > performance.now();
      })
      .map(({ report }) => report);
  }

  /** Also for one that has ended since without a word of its agent: nothing is claimed of its life. */
  find(loginId: string): LoginReport | undefined {
    return this.#lost.get(loginId)?.report;
  }

  /** What waited longer than an agent waits, and what is more than an agent may have. */
  #forgetOld(agentId: string): void {
    const now = performance.now();
    for (const [loginId, { until }] of this.#lost) if (until < now) this.#lost.delete(loginId);
    const ofAgent = [...this.#lost].filter(([, lost]) => lost.agentId === agentId);
    const [oldest] = ofAgent[0] ?? [];
    if (ofAgent.length >= LOGINS_MAX_PER_AGENT && oldest !== undefined) this.#lost.delete(oldest);
  }

  async #endStale(logins: readonly LoginReport[]): Promise<void> {
    const { accesses, sessions, log } = this.#deps;
    const bySession = Map.groupBy(logins, ({ sessionId }) => sessionId);
    for (const [sessionId, ofSession] of bySession) {
      try {
        const valid = await accesses.listValid(sessionId);
        const accessIds = new Set(ofSession.map(({ accessId }) => accessId));
        for (const accessId of accessIds)
          if (!valid.has(accessId)) await sessions.endLogins(sessionId, { accessId }, 'ACCESS_REVOKED');
      } catch (thrown) {
        const { code, message } = toGatewayError(thrown);
        log.warn({ sessionId, code, reason: message }, 'logins that should end may go on at their agent');
      }
    }
  }
}
