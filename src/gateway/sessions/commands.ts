import type { Logger } from 'pino';
import { toGatewayError, type GatewayError } from '../../errors.ts';
import type { SessionCommand } from '../../protocol/control.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Audit } from '../audit.ts';
import type { Metrics } from '../metrics.ts';
import type { Store } from '../store/store.ts';
import type { SessionRow } from '../store/tables.ts';
import { specOf, type SessionStates } from './states.ts';

/** A desktop is up in seconds; a host that first wakes a browser from a cold disk takes longer. */
const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 30_000;

export interface SessionCommandsDeps {
  store: Store;
  states: SessionStates;
  audit: Audit;
  metrics: Metrics;
  log: Logger;
}

/** What agents are told to do with their sessions, and what the store makes of their answer. */
export class SessionCommands {
  readonly #deps: SessionCommandsDeps;

  constructor(deps: SessionCommandsDeps) {
    this.#deps = deps;
  }

  /** Never rejects: a start that fails is the session's state, with the reason. */
  async start(connection: AgentConnection, { id: sessionId, spec, wish }: SessionRow): Promise<void> {
    const { store, states } = this.#deps;
    const sent = connection.live;
    const action = wish === 'wake' ? 'wake_session' : 'start_session';
    try {
      await this.run(connection, { action, sessionId, spec: specOf(spec) }, START_DEADLINE_MS);
      // The agent has reported `running` before; this is for one that has not.
      const session = await store.sessions.find(sessionId);
      if (session?.state === 'pending' || session?.state === 'starting')
        await states.apply(connection.agent.id, { sessionId, state: 'running' });
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      // The agent may well go on with it: its next inventory tells.
      if (failure.code === 'AGENT_OFFLINE' && sent) return;
      await this.#fail(connection.agent.id, sessionId, failure);
      if (failure.code === 'COMMAND_TIMEOUT' && connection.live) await this.end(connection, sessionId, 'stop_session');
    }
  }

  /** Never rejects: what the agent doesn't do now, its next inventory asks for again. */
  async end(
    connection: AgentConnection,
    sessionId: string,
    action: 'stop_session' | 'hibernate_session',
  ): Promise<void> {
    try {
      await this.run(connection, { action, sessionId }, STOP_DEADLINE_MS);
      const state = action === 'stop_session' ? 'stopped' : 'hibernated';
      await this.#deps.states.apply(connection.agent.id, { sessionId, state });
    } catch (error) {
      const { code, message } = toGatewayError(error);
      this.#deps.log.warn(
        { sessionId, agentId: connection.agent.id, code, reason: message },
        `a session was not ${action === 'stop_session' ? 'stopped' : 'hibernated'}`,
      );
    }
  }

  /**
   * Resolves when the agent says that it is done, and what it reported until then is stored.
   * @throws GatewayError what the agent says, COMMAND_TIMEOUT, AGENT_OFFLINE
   */
  async run(connection: AgentConnection, command: SessionCommand, deadlineMs: number): Promise<void> {
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

  async #fail(agentId: string, sessionId: string, { code, message }: GatewayError): Promise<void> {
    try {
      const session = await this.#deps.store.sessions.find(sessionId);
      // The agent has said the same by a report, and what became of that stands.
      if (session?.state !== 'pending' && session?.state !== 'starting') return;
      if (session.restart_at !== null) return;
      await this.#deps.states.apply(agentId, { sessionId, state: 'failed', reason: { code, message } });
    } catch (error) {
      this.#deps.log.error({ err: error, sessionId }, 'a failed start was not stored');
    }
  }
}
