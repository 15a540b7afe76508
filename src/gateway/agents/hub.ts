import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import type { Hello } from '../../protocol/control.ts';
import type { AgentConnection } from './connection.ts';

export type AgentState = 'online' | 'degraded' | 'offline';

/** What must be settled between an agent and the store before commands may flow. */
export interface Greeter {
  /** Rejects when the agent may not come in after all (GatewayError FORBIDDEN). */
  greet(connection: AgentConnection, hello: Hello): Promise<void>;
}

/** An agent that is here now. */
export interface Present {
  connection: AgentConnection;
  hello: Hello;
}

/** The live connections of agents, one an agent: the newest wins. Owns them. */
export class Hub {
  readonly #log: Logger;
  readonly #present = new Map<string, Present>();
  /** Those that have not said hello yet, too. */
  readonly #all = new Set<AgentConnection>();
  #stopping: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Takes the connection over; resolves once it is live or closed. */
  async accept(connection: AgentConnection, greeter: Greeter): Promise<void> {
    const { agent } = connection;
    this.#all.add(connection);
    connection.signal.addEventListener('abort', () => {
      this.#all.delete(connection);
      // Only its own entry: a newer connection of the same agent may stand there already.
      if (this.#present.get(agent.id)?.connection === connection) this.#present.delete(agent.id);
    });
    if (this.#stopping) {
      connection.close('SHUTTING_DOWN', 'the gateway is shutting down');
      return;
    }
    try {
      const hello = await connection.hello;
      const previous = this.#present.get(agent.id)?.connection;
      this.#present.set(agent.id, { connection, hello });
      previous?.close('AGENT_REPLACED', `a newer connection of agent ${agent.id} came`);
      // What the older connection reported last must not be stored after the newer one's inventory.
      await previous?.drained();
      await greeter.greet(connection, hello);
      connection.welcome();
      this.#log.info({ agentId: agent.id, version: hello.version, hostname: hello.hostname }, 'agent connected');
    } catch (error) {
      if (connection.signal.aborted) return;
      const failure = error instanceof GatewayError ? error : new GatewayError('INTERNAL', 'greeting the agent failed');
      this.#log.error({ err: error, agentId: agent.id }, 'an agent could not be greeted');
      connection.close(failure.code, failure.message);
    }
  }

  find(agentId: string): Present | undefined {
    const present = this.#present.get(agentId);
    return present?.connection.live ? present : undefined;
  }

  /** @throws GatewayError AGENT_OFFLINE */
  get(agentId: string): Present {
    const present = this.find(agentId);
    if (!present) throw new GatewayError('AGENT_OFFLINE', `agent ${agentId} is not connected; is its program running?`);
    return present;
  }

  list(): Present[] {
    return [...this.#present.values()].filter(({ connection }) => connection.live);
  }

  stateOf(agentId: string): AgentState {
    return this.#present.get(agentId)?.connection.health ?? 'offline';
  }

  /** Ends every connection of an agent whose key no longer counts. */
  expel(agentId: string, message: string): void {
    for (const connection of this.#all) {
      if (connection.agent.id === agentId) connection.close('FORBIDDEN', message);
    }
  }

  /** Tells every agent SHUTTING_DOWN; resolves once all sockets are gone and all reports stored. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const connections = [...this.#all];
    for (const connection of connections) connection.close('SHUTTING_DOWN', 'the gateway is shutting down');
    await Promise.all(connections.flatMap((connection) => [connection.closed(), connection.drained()]));
  }
}
