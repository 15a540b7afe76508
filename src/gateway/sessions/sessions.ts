import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Command, Hello } from '../../protocol/control.ts';
import type { SessionReport, SessionSpec } from '../../protocol/session.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Agents } from '../agents/agents.ts';
import type { Greeter, Hub } from '../agents/hub.ts';
import type { Audit } from '../audit.ts';
import type { Metrics } from '../metrics.ts';
import { newSessionId } from '../secrets.ts';
import { FINAL_STATES, type SessionQuery } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import type { SessionRow } from '../store/tables.ts';
import { SessionChanges } from './changes.ts';
import { placeSession } from './placement.ts';
import { reconcile } from './reconcile.ts';

/** A desktop is up in seconds; a host that first wakes a browser from a cold disk takes longer. */
const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 30_000;
const END_LOGINS_DEADLINE_MS = 5000;

type EndLogins = Extract<Command, { action: 'end_logins' }>;

export interface SessionsDeps {
  store: Store;
  agents: Agents;
  hub: Hub;
  audit: Audit;
  metrics: Metrics;
  log: Logger;
}

/** Sessions from the API's word to their end, as the store holds them and as their agents report them. */
export class Sessions implements Greeter {
  /** Told of every change that reached the store, in order per session. */
  readonly changes = new SessionChanges();
  readonly #deps: SessionsDeps;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves with the session, pending, once its agent was told to start it.
   * @throws GatewayError AGENT_NOT_FOUND | AGENT_OFFLINE | NO_AGENT | SESSION_LIMIT
   */
  async create(spec: SessionSpec, agentId?: string): Promise<SessionRow> {
    const { connection } = await placeSession(this.#deps, agentId);
    const row = { id: newSessionId(), agent_id: connection.agent.id, spec: JSON.stringify(spec) };
    const session = await this.#deps.store.sessions.add(row, now());
    void this.#start(connection, session.id, spec);
    return session;
  }

  /** @throws GatewayError SESSION_NOT_FOUND */
  async get(sessionId: string): Promise<SessionRow> {
    const session = await this.#deps.store.sessions.find(sessionId);
    if (!session) throw new GatewayError('SESSION_NOT_FOUND', `there is no session ${sessionId}`);
    return session;
  }

  list(query: SessionQuery): Promise<SessionRow[]> {
    return this.#deps.store.sessions.list(query);
  }

  /** The session once it runs or has ended, or as it is when the time is over. @throws GatewayError SESSION_NOT_FOUND */
  async whenSettled(sessionId: string, timeoutMs: number): Promise<SessionRow> {
    const isSettled = (session: SessionRow): boolean => session.state === 'running' || isEnded(session);
    using waiting = this.changes.waitFor(sessionId, isSettled, timeoutMs);
    const session = await this.get(sessionId);
    if (isSettled(session)) return session;
    return (await waiting.settled) ?? this.get(sessionId);
  }

  /**
   * Ends a session; ended ones stay as they are. Resolves once its agent has ended it, or with it still `stopping` when the
   * agent is away: then its next inventory meets this wish. @throws GatewayError SESSION_NOT_FOUND
   */
  async stop(sessionId: string): Promise<SessionRow> {
    const session = await this.get(sessionId);
    if (isEnded(session)) return session;
    await this.#apply(session.agent_id, { sessionId, state: 'stopping' });
    const present = this.#deps.hub.find(session.agent_id);
    if (present) await this.#stopAt(present.connection, sessionId);
    return this.get(sessionId);
  }

  /**
   * Ends logins at the session's agent, also those that wait there for their client; resolves once nothing of them is left.
   * @throws GatewayError SESSION_NOT_FOUND | AGENT_OFFLINE | COMMAND_TIMEOUT
   */
  async endLogins(sessionId: string, of: EndLogins['of'], code: EndLogins['code']): Promise<void> {
    const session = await this.get(sessionId);
    const { connection } = this.#deps.hub.get(session.agent_id);
    await this.#run(connection, { action: 'end_logins', sessionId, of, code }, END_LOGINS_DEADLINE_MS);
  }

  /** The agent's inventory and the store come to agree before the agent goes live. */
  async greet(connection: AgentConnection, hello: Hello): Promise<void> {
    const { agents, store } = this.#deps;
    if (!(await agents.confirm(connection.agent)))
      throw new GatewayError('FORBIDDEN', `agent ${connection.agent.id} was revoked or has a new key`);
    const plan = reconcile(await store.sessions.listLiveOf(connection.agent.id), hello.sessions);
    for (const report of plan.apply) await this.#apply(connection.agent.id, report);
    // Commands may flow only once the agent is live, which is after this.
    setImmediate(() => {
      for (const sessionId of plan.stop) void this.#stopAt(connection, sessionId);
    });
  }

  /** Takes an agent's word on one of its own sessions; one that should not be there (any more) is stopped. */
  async sessionReported(connection: AgentConnection, report: SessionReport): Promise<void> {
    const session = await this.#deps.store.sessions.find(report.sessionId);
    if (session?.agent_id === connection.agent.id && !isEnded(session)) await this.#apply(session.agent_id, report);
    else if (report.state === 'starting' || report.state === 'running') void this.#stopAt(connection, report.sessionId);
  }

  /** The agent will not come back: what it ran is given up. */
  async abandon(agentId: string, message: string): Promise<void> {
    for (const { id } of await this.#deps.store.sessions.listLiveOf(agentId))
      await this.#apply(agentId, { sessionId: id, state: 'failed', reason: { code: 'AGENT_NOT_FOUND', message } });
  }

  async #start(connection: AgentConnection, sessionId: string, spec: SessionSpec): Promise<void> {
    const sent = connection.live;
    try {
      await this.#run(connection, { action: 'start_session', sessionId, spec }, START_DEADLINE_MS);
      // The agent has reported `running` before; this is for one that has not.
      const session = await this.get(sessionId);
      if (session.state === 'pending' || session.state === 'starting')
        await this.#apply(connection.agent.id, { sessionId, state: 'running' });
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      // The agent may well go on with it: its next inventory tells.
      if (failure.code === 'AGENT_OFFLINE' && sent) return;
      await this.#fail(connection.agent.id, sessionId, failure);
      if (failure.code === 'COMMAND_TIMEOUT' && connection.live) await this.#stopAt(connection, sessionId);
    }
  }

  async #fail(agentId: string, sessionId: string, { code, message }: GatewayError): Promise<void> {
    try {
      await this.#apply(agentId, { sessionId, state: 'failed', reason: { code, message } });
    } catch (error) {
      this.#deps.log.error({ err: error, sessionId }, 'a failed start was not stored');
    }
  }

  /** Never rejects: what the agent doesn't do now, its next inventory asks for again. */
  async #stopAt(connection: AgentConnection, sessionId: string): Promise<void> {
    try {
      await this.#run(connection, { action: 'stop_session', sessionId }, STOP_DEADLINE_MS);
      await this.#apply(connection.agent.id, { sessionId, state: 'stopped' });
    } catch (error) {
      const { code, message } = toGatewayError(error);
      this.#deps.log.warn(
        { sessionId, agentId: connection.agent.id, code, reason: message },
        'a session was not stopped',
      );
    }
  }

  async #run(connection: AgentConnection, command: Command, deadlineMs: number): Promise<void> {
    const { audit, metrics, log } = this.#deps;
    const { action, sessionId } = command;
    let outcome: 'ok' | GatewayError['code'] = 'ok';
    try {
      await connection.run(command, {
        deadlineMs,
        onProgress: (message) => log.info({ sessionId, progress: message }, 'session'),
      });
    } catch (error) {
      outcome = toGatewayError(error).code;
      throw error;
    } finally {
      // What the agent reported before it answered says more than the answer, and counts first.
      await connection.drained();
      metrics.commands.inc({ action, outcome });
      audit.record({
        actor: 'gateway',
        action: `command.${action}`,
        target: `session:${sessionId}`,
        outcome,
        detail: { agentId: connection.agent.id },
      });
    }
  }

  async #apply(agentId: string, report: SessionReport): Promise<void> {
    const { store, log } = this.#deps;
    const session =
      (await store.sessions.apply(agentId, report, now())) ??
      // A stop that met a start ends as a failure there; here it is what was asked for.
      (report.state === 'failed'
        ? await store.sessions.apply(agentId, { ...report, state: 'stopped' }, now())
        : undefined);
    if (!session) return;
    log.info({ sessionId: session.id, state: session.state, reason: report.reason }, 'session');
    this.changes.tell(session);
  }
}

export function isEnded(session: Pick<SessionRow, 'state'>): boolean {
  return FINAL_STATES.includes(session.state);
}

function now(): string {
  return new Date().toISOString();
}
