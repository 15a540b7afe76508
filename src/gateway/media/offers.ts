import type { IcePlan, MediaOffer } from '../../protocol/ice.ts';
import { LOGINS_MAX_PER_AGENT } from '../../protocol/login.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { SessionRow } from '../store/tables.ts';

/** What a login was offered for its media, and what came of it. */
export interface OfferedMedia {
  offer: MediaOffer;
  connection: AgentConnection;
  /** As its client says; a client that only knows neko says nothing. */
  used: IcePlan | undefined;
}

/** What the logins of connected agents were offered, by their agents' word. An agent that is lost says it anew when it is back. */
export class MediaOffers {
  readonly #byLogin = new Map<string, OfferedMedia>();
  readonly #byUfrag = new Map<string, OfferedMedia>();

  /** An agent has come: it will say what its logins were offered. What it said goes with its connection. */
  greet(connection: AgentConnection): void {
    connection.signal.addEventListener('abort', () => {
      for (const { connection: its, offer } of this.#byLogin.values())
        if (its === connection) this.#forget(offer.loginId);
    });
  }

  /** No effect for a login of another agent's, and for more logins than an agent may have. */
  offered(connection: AgentConnection, offer: MediaOffer): void {
    const { loginId, ufrag } = offer;
    const before = this.#byLogin.get(loginId);
    if (connection.signal.aborted || (before && before.connection.agent.id !== connection.agent.id)) return;
    if (!before && this.#countOf(connection) >= LOGINS_MAX_PER_AGENT) return;
    this.#forget(loginId);
    const entry: OfferedMedia = { offer, connection, used: before?.used };
    this.#byLogin.set(loginId, entry);
    // Made at random by streamers. Of two that are alike, by chance or on purpose, the first keeps its connections.
    if (ufrag !== undefined && !this.#byUfrag.has(ufrag)) this.#byUfrag.set(ufrag, entry);
  }

  /** Whether that is news. */
  used(connection: AgentConnection, { loginId, plan }: { loginId: string; plan: IcePlan }): boolean {
    const entry = this.#byLogin.get(loginId);
    if (entry?.connection !== connection || entry.used === plan) return false;
    entry.used = plan;
    return true;
  }

  withdrawn(connection: AgentConnection, loginId: string): void {
    if (this.#byLogin.get(loginId)?.connection === connection) this.#forget(loginId);
  }

  findByUfrag(ufrag: string): OfferedMedia | undefined {
    return this.#byUfrag.get(ufrag);
  }

  /** What the session's own agent says of its logins. */
  list({ id, agent_id: agentId }: Pick<SessionRow, 'id' | 'agent_id'>): OfferedMedia[] {
    const all = [...this.#byLogin.values()];
    return all.filter(({ offer, connection }) => offer.sessionId === id && connection.agent.id === agentId);
  }

  #countOf(connection: AgentConnection): number {
    return [...this.#byLogin.values()].filter((one) => one.connection === connection).length;
  }

  #forget(loginId: string): void {
    const entry = this.#byLogin.get(loginId);
    this.#byLogin.delete(loginId);
    const { ufrag } = entry?.offer ?? {};
    if (ufrag !== undefined && this.#byUfrag.get(ufrag) === entry) this.#byUfrag.delete(ufrag);
  }
}
