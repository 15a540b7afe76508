import type { MediaOffer, Rung } from '../../protocol/ice.ts';
import { LOGINS_MAX_PER_AGENT } from '../../protocol/login.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { SessionRow } from '../store/tables.ts';

/** What a login was offered for its media, and what came of it. */
export interface OfferedMedia {
  offer: MediaOffer;
  connection: AgentConnection;
  /** The way of its picture, as its client says; a client that only knows neko says nothing. */
  used: Rung | undefined;
  /** By performance.now(). */
  usedSince: number;
}

export interface MediaOffersOptions {
  /** A picture comes by this way from now. */
  onRung: (rung: Rung) => void;
  /** One came by this way for so long. */
  onSpent: (rung: Rung, seconds: number) => void;
}

/** What the logins of connected agents were offered, by their agents' word. An agent that is lost says it anew when it is back. */
export class MediaOffers {
  readonly #options: MediaOffersOptions;
  readonly #byLogin = new Map<string, OfferedMedia>();
  readonly #byUfrag = new Map<string, OfferedMedia>();

  constructor(options: MediaOffersOptions) {
    this.#options = options;
  }

  /** An agent has come: it will say what its logins were offered. What it said goes with its connection. */
  greet(connection: AgentConnection): void {
    connection.signal.addEventListener('abort', () => {
      for (const entry of this.#byLogin.values()) if (entry.connection === connection) this.#forget(entry);
    });
  }

  /** No effect for a login of another agent's, and for more logins than an agent may have. */
  offered(connection: AgentConnection, offer: MediaOffer): void {
    const { loginId, ufrag } = offer;
    const before = this.#byLogin.get(loginId);
    if (connection.signal.aborted || (before && before.connection.agent.id !== connection.agent.id)) return;
    if (!before && this.#countOf(connection) >= LOGINS_MAX_PER_AGENT) return;
    if (before) this.#unlink(before);
    const entry = before ?? { offer, connection, used: undefined, usedSince: 0 };
    entry.offer = offer;
    entry.connection = connection;
    this.#byLogin.set(loginId, entry);
    // Made at random by streamers. Of two that are alike, by chance or on purpose, the first keeps its connections.
    if (ufrag !== undefined && !this.#byUfrag.has(ufrag)) this.#byUfrag.set(ufrag, entry);
  }

  used(connection: AgentConnection, { loginId, rung }: { loginId: string; rung: Rung }): void {
    const entry = this.#byLogin.get(loginId);
    if (entry?.connection !== connection || entry.used === rung) return;
    this.#tellSpent(entry);
    entry.used = rung;
    entry.usedSince = performance.now();
    this.#options.onRung(rung);
  }

  withdrawn(connection: AgentConnection, loginId: string): void {
    const entry = this.#byLogin.get(loginId);
    if (entry?.connection === connection) this.#forget(entry);
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

  #forget(entry: OfferedMedia): void {
    this.#tellSpent(entry);
    this.#unlink(entry);
  }

  #unlink(entry: OfferedMedia): void {
    const { loginId, ufrag } = entry.offer;
    this.#byLogin.delete(loginId);
    if (ufrag !== undefined && this.#byUfrag.get(ufrag) === entry) this.#byUfrag.delete(ufrag);
  }

  #tellSpent({ used, usedSince }: OfferedMedia): void {
    if (used !== undefined) this.#options.onSpent(used, (performance.now() - usedSince) / 1000);
  }
}
