import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Command, Hello } from '../../protocol/control.ts';
import { LOGIN_GRACE_MS } from '../../protocol/login.ts';
import type { Failure, SessionReport, SessionSpec, SessionState } from '../../protocol/session.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Agents } from '../agents/agents.ts';
import type { Greeter, Hub, Present } from '../agents/hub.ts';
import type { Audit } from '../audit.ts';
import type { Metrics } from '../metrics.ts';
import { newSessionId } from '../secrets.ts';
import type { Change, SessionQuery } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import type { SessionRow } from '../store/tables.ts';
import { SessionCommands } from './commands.ts';
import { placeSession, roomByAgent, type HostNeeds } from './placement.ts';
import { poolKeyOf } from './pool-key.ts';
import { reconcile } from './reconcile.ts';
import { isEnded, SessionStates } from './states.ts';
import { refuse } from './way-out.ts';

const FREEZE_DEADLINE_MS = 15_000;
const END_LOGINS_DEADLINE_MS = 5000;

type EndLogins = Extract<Command, { action: 'end_logins' }>;

/** States out of which a session can be stopped, and those in which it does something that a restart would begin anew. */
const STOPPABLE: SessionState[] = ['pending', 'starting', 'warm', 'running', 'paused', 'hibernating', 'hibernated'];
const ALIVE: SessionState[] = ['starting', 'running', 'paused'];

export interface SessionsDeps {
  store: Store;
  agents: Agents;
  hub: Hub;
  audit: Audit;
  metrics: Metrics;
  log: Logger;
}

/** What a new session is to be. */
export interface SessionOrder {
  spec: SessionSpec;
  agentId?: string | undefined;
  /** What was asked for; defaults are no needs. */
  needs?: HostNeeds;
  template?: { id: string; revision: number } | undefined;
}

/** Sessions from the API's word to their end, as the store holds them and as their agents report them. */
export class Sessions implements Greeter {
  readonly #deps: SessionsDeps;
  readonly #states: SessionStates;
  readonly #commands: SessionCommands;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#states = new SessionStates(deps.store, deps.log);
    this.#commands = new SessionCommands({ ...deps, states: this.#states });
  }

  /** Told of every change that reached the store, in order per session. */
  get changes(): SessionStates['changes'] {
    return this.#states.changes;
  }

  /**
   * Resolves with the session: pending, once its agent was told to start it; or running, where one of its template's pool could be taken.
   * @throws GatewayError AGENT_NOT_FOUND | AGENT_OFFLINE | NO_AGENT | SESSION_LIMIT | CONFLICT
   */
  async create(order: SessionOrder): Promise<SessionRow> {
    const claimed = await this.#claim(order);
    if (order.template) this.#deps.metrics.claims.inc({ outcome: claimed ? 'warm' : 'cold' });
    if (claimed) return claimed;
    const { spec, agentId, needs } = order;
    const present = await placeSession(this.#deps, { agentId, home: spec.home, ...(needs && { needs }) });
    await this.#makeRoom(present);
    return this.#add(present, order);
  }

  /** One more session for the pool of this key, on this agent. */
  async createPooled(present: Present, spec: SessionSpec, pool: string): Promise<SessionRow> {
    return this.#add(present, { spec, pool });
  }

  /** Ends a session of a pool, unless somebody has claimed it. */
  async dropPooled(session: SessionRow): Promise<boolean> {
    const dropped = await this.#deps.store.sessions.dropFromPool(session.id, now());
    if (!dropped) return false;
    this.#states.tell(dropped);
    const present = this.#deps.hub.find(session.agent_id);
    if (present) await this.#commands.end(present.connection, session.id, 'stop_session');
    return true;
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
    const isSettled = (session: SessionRow): boolean =>
      session.state === 'running' || session.state === 'hibernated' || isEnded(session);
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
    const restartAt = session.state === 'pending' ? session.restart_at : null;
    const stopping = await this.#change(session, STOPPABLE, { state: 'stopping' });
    // Nothing of it runs, so nobody need be asked.
    if (stopping && (session.state === 'hibernated' || restartAt !== null))
      await this.#states.apply(session.agent_id, { sessionId, state: 'stopped' });
    else await this.#endAt(session, 'stop_session');
    return this.get(sessionId);
  }

  /**
   * Stops what runs of it and starts it again, under the same id, order and accesses; an ended one too. Resolves with it starting.
   * @throws GatewayError SESSION_NOT_FOUND | AGENT_OFFLINE | SESSION_LIMIT | CONFLICT
   */
  async restart(sessionId: string): Promise<SessionRow> {
    const session = await this.get(sessionId);
    if (session.state === 'hibernated') return this.wake(sessionId);
    if (!isEnded(session) && !ALIVE.includes(session.state)) throw refuse('restart', session);
    const present = this.#deps.hub.get(session.agent_id);
    if (isEnded(session)) {
      await this.#assertRoom(present);
      return this.#revive(session, present, { state: 'pending' });
    }
    const reason = { code: 'RESTARTED', message: 'somebody restarts it' };
    const stopping = await this.#change(session, ALIVE, { state: 'starting', wish: 'restart', reason });
    if (!stopping) throw refuse('restart', await this.get(sessionId));
    void this.#stopAndStart(present, stopping);
    return stopping;
  }

  /** Freezes what runs. @throws GatewayError SESSION_NOT_FOUND | AGENT_OFFLINE | CONFLICT | what the agent says */
  async pause(sessionId: string): Promise<SessionRow> {
    const session = await this.get(sessionId);
    if (session.state === 'paused') return session;
    if (session.state !== 'running') throw refuse('pause', session);
    await this.#freeze(session, 'pause_session');
    return this.get(sessionId);
  }

  /** Lets a paused one go on. @throws GatewayError SESSION_NOT_FOUND | AGENT_OFFLINE | CONFLICT | what the agent says */
  async resume(sessionId: string): Promise<SessionRow> {
    const session = await this.get(sessionId);
    if (session.state === 'running') return session;
    if (session.state !== 'paused') throw refuse('resume', session);
    await this.#freeze(session, 'resume_session');
    return this.get(sessionId);
  }

  /**
   * Stops what runs and keeps session, order, accesses and home. Resolves as `stop` does: with it still `hibernating` when the agent is away.
   * @throws GatewayError SESSION_NOT_FOUND | CONFLICT
   */
  async hibernate(sessionId: string): Promise<SessionRow> {
    const session = await this.get(sessionId);
    if (session.state === 'hibernated') return session;
    if (session.state === 'hibernating') {
      await this.#endAt(session, 'hibernate_session');
      return this.get(sessionId);
    }
    if (session.state !== 'running' && session.state !== 'paused') throw refuse('hibernate', session);
    if (session.home === null)
      throw new GatewayError(
        'CONFLICT',
        `session ${sessionId} has no home that could outlive it, so nothing would be left to wake; stop it, or make sessions with "home"`,
      );
    if (!(await this.#change(session, ['running', 'paused'], { state: 'hibernating' })))
      throw refuse('hibernate', await this.get(sessionId));
    await this.#endAt(session, 'hibernate_session');
    return this.get(sessionId);
  }

  /** Starts a hibernated one again. Resolves with it starting. @throws GatewayError SESSION_NOT_FOUND | AGENT_OFFLINE | SESSION_LIMIT | CONFLICT */
  async wake(sessionId: string): Promise<SessionRow> {
    const session = await this.get(sessionId);
    if (['pending', 'starting', 'running'].includes(session.state)) return session;
    if (session.state !== 'hibernated') throw refuse('wake', session);
    const present = this.#deps.hub.get(session.agent_id);
    await this.#assertRoom(present);
    return this.#revive(session, present, { state: 'starting', wish: 'wake' });
  }

  /** Hibernates a session that is idle or over its time, or stops it where it has no home; none that is neither any more. */
  async expire(session: SessionRow, reason: Failure): Promise<'hibernated' | 'stopped' | undefined> {
    const [state, action] =
      session.home === null ? (['stopping', 'stop_session'] as const) : (['hibernating', 'hibernate_session'] as const);
    const ending = await this.#deps.store.sessions.expire(session.id, { state, reason }, now());
    if (!ending) return undefined;
    this.#states.tell(ending);
    await this.#endAt(session, action);
    return state === 'stopping' ? 'stopped' : 'hibernated';
  }

  /** Starts a session whose restart is due; false where its agent is not here, or somebody else does it. */
  async retry(session: SessionRow): Promise<boolean> {
    const present = this.#deps.hub.find(session.agent_id);
    if (!present || !(await this.#deps.store.sessions.takeRestart(session.id))) return false;
    void this.#commands.start(present.connection, session);
    return true;
  }

  /**
   * Ends logins at the session's agent, also those that wait there for their client; resolves once nothing of them is left.
   * @throws GatewayError SESSION_NOT_FOUND | AGENT_OFFLINE | COMMAND_TIMEOUT
   */
  async endLogins(sessionId: string, of: EndLogins['of'], code: EndLogins['code']): Promise<void> {
    const session = await this.get(sessionId);
    const { connection } = this.#deps.hub.get(session.agent_id);
    await this.#commands.run(connection, { action: 'end_logins', sessionId, of, code }, END_LOGINS_DEADLINE_MS);
  }

  /** The agent's inventory and the store come to agree before the agent goes live. */
  async greet(connection: AgentConnection, hello: Hello): Promise<void> {
    const { agents, store } = this.#deps;
    if (!(await agents.confirm(connection.agent)))
      throw new GatewayError('FORBIDDEN', `agent ${connection.agent.id} was revoked or has a new key`);
    const stored = await store.sessions.listLiveOf(connection.agent.id);
    // Whoever was restarting it has lost this agent meanwhile: what runs now counts.
    for (const { id, wish } of stored) if (wish === 'restart') await store.sessions.forgetWish(id);
    const plan = reconcile(stored, hello.sessions);
    for (const report of plan.apply) await this.#states.apply(connection.agent.id, report);
    // Who was watching meanwhile has this long to be seen again.
    const backBy = new Date(Date.now() + LOGIN_GRACE_MS).toISOString();
    await store.sessions.postponeIdle(connection.agent.id, backBy);
    // Commands may flow only once the agent is live, which is after this.
    setImmediate(() => {
      for (const sessionId of plan.stop) void this.#commands.end(connection, sessionId, 'stop_session');
      for (const sessionId of plan.hibernate) void this.#commands.end(connection, sessionId, 'hibernate_session');
    });
  }

  /** Takes an agent's word on one of its own sessions; one that should not be there (any more) is stopped. */
  async sessionReported(connection: AgentConnection, report: SessionReport): Promise<void> {
    const session = await this.#deps.store.sessions.find(report.sessionId);
    const isWanted = session?.agent_id === connection.agent.id && !isEnded(session) && session.state !== 'hibernated';
    if (isWanted) await this.#states.apply(session.agent_id, report);
    else if (['starting', 'running', 'paused'].includes(report.state))
      void this.#commands.end(connection, report.sessionId, 'stop_session');
  }

  /** The agent will not come back: what it ran is given up. */
  async abandon(agentId: string, message: string): Promise<void> {
    const reason = { code: 'AGENT_NOT_FOUND', message };
    for (const session of await this.#deps.store.sessions.listUnendedOf(agentId))
      await this.#change(session, STOPPABLE.concat('stopping'), { state: 'failed', reason });
  }

  async #add(
    { connection }: Present,
    { spec, template, pool = null }: Pick<SessionOrder, 'spec' | 'template'> & { pool?: string | null },
  ): Promise<SessionRow> {
    const { store } = this.#deps;
    const { home = null } = spec;
    const id = newSessionId();
    const session = await store.sessions.add(
      {
        id,
        agent_id: connection.agent.id,
        spec: JSON.stringify(spec),
        home,
        pool,
        template_id: template?.id ?? null,
        template_revision: template?.revision ?? null,
      },
      now(),
    );
    if (!session) throw homeTaken(home ?? '');
    if (home !== null) await store.homes.place(home, connection.agent.id, now());
    void this.#commands.start(connection, session);
    return session;
  }

  /** Only with a template, and only where the pool's session is all that was asked for. */
  async #claim({ spec, agentId, template }: SessionOrder): Promise<SessionRow | undefined> {
    if (!template || spec.home !== undefined) return undefined;
    const { store, hub } = this.#deps;
    const key = poolKeyOf(spec);
    const claim = { spec: JSON.stringify(spec), template_id: template.id, template_revision: template.revision };
    for (const { id, pool, state, agent_id } of await store.sessions.listPooled()) {
      const isReady = pool === key && state === 'warm' && hub.find(agent_id) !== undefined;
      if (!isReady || (agentId !== undefined && agent_id !== agentId)) continue;
      const claimed = await store.sessions.claim(id, claim, now());
      if (!claimed) continue;
      await this.#states.begin(claimed);
      this.#states.tell(claimed);
      return claimed;
    }
    return undefined;
  }

  /** What only waits in a pool gives way to what is wanted now. */
  async #makeRoom(present: Present): Promise<void> {
    const { store } = this.#deps;
    if ((await roomByAgent({ store })).free(present) > 0) return;
    const pooled = await store.sessions.listPooled();
    for (const session of pooled.filter(({ agent_id }) => agent_id === present.connection.agent.id))
      if (await this.dropPooled(session)) return;
  }

  /** @throws GatewayError SESSION_LIMIT */
  async #assertRoom(present: Present): Promise<void> {
    const { store } = this.#deps;
    if ((await roomByAgent({ store })).room(present) <= 0)
      throw new GatewayError(
        'SESSION_LIMIT',
        `agent ${present.connection.agent.id}, which has this session, has as many as it takes; stop one`,
      );
    await this.#makeRoom(present);
  }

  async #change(session: SessionRow, from: SessionState[], change: Change): Promise<SessionRow | undefined> {
    const changed = await this.#deps.store.sessions.change(session.id, from, change, now());
    if (changed) this.#states.tell(changed);
    return changed;
  }

  async #revive(session: SessionRow, present: Present, change: Change): Promise<SessionRow> {
    const revived = await this.#deps.store.sessions.revive(session.id, [session.state], change, now());
    if (revived === 'home-taken') throw homeTaken(session.home ?? '');
    if (!revived) return this.get(session.id);
    this.#states.tell(revived);
    void this.#commands.start(present.connection, revived);
    return revived;
  }

  /** Never rejects. */
  async #stopAndStart({ connection }: Present, session: SessionRow): Promise<void> {
    const { store, log } = this.#deps;
    await this.#commands.end(connection, session.id, 'stop_session');
    // Somebody may have stopped it meanwhile, and an agent that was lost says itself what became of it.
    const present = await store.sessions.find(session.id).catch(() => undefined);
    if (present?.wish !== 'restart' || !connection.live) return;
    const revived = await store.sessions
      .revive(session.id, ['starting'], { state: 'starting' }, now())
      .catch((error: unknown) => log.error({ err: error, sessionId: session.id }, 'a restart was not stored'));
    if (revived && revived !== 'home-taken') await this.#commands.start(connection, revived);
  }

  async #freeze({ id: sessionId, agent_id }: SessionRow, action: 'pause_session' | 'resume_session'): Promise<void> {
    const { connection } = this.#deps.hub.get(agent_id);
    try {
      await this.#commands.run(connection, { action, sessionId }, FREEZE_DEADLINE_MS);
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      // The agent knows better what it is: its report is on the way, or has come.
      if (failure.code === 'SESSION_NOT_RUNNING' || failure.code === 'SESSION_NOT_FOUND')
        throw new GatewayError('CONFLICT', failure.message, { cause: failure });
      throw failure;
    }
  }

  async #endAt({ id, agent_id }: SessionRow, action: 'stop_session' | 'hibernate_session'): Promise<void> {
    const present = this.#deps.hub.find(agent_id);
    if (present) await this.#commands.end(present.connection, id, action);
  }
}

function homeTaken(home: string): GatewayError {
  return new GatewayError(
    'CONFLICT',
    `another session that has not ended has the home ${home}; wake or stop that one, or take another home`,
  );
}

function now(): string {
  return new Date().toISOString();
}
