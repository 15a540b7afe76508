import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Hub } from '../agents/hub.ts';
import type { Metrics } from '../metrics.ts';
import type { PlacedHome } from '../store/homes.ts';
import type { Store } from '../store/store.ts';

/** A home of many gigabytes in small files takes a while to remove. */
const REMOVE_DEADLINE_MS = 60_000;

export interface HomesDeps {
  store: Store;
  hub: Hub;
  metrics: Metrics;
}

/** The homes that sessions were made with, on their agents' hosts. */
export class Homes {
  readonly #deps: HomesDeps;

  constructor(deps: HomesDeps) {
    this.#deps = deps;
  }

  /** By their names, those after `after`. */
  list(limit: number, after: string | undefined): Promise<PlacedHome[]> {
    return this.#deps.store.homes.list(limit, after);
  }

  /**
   * Resolves once nothing of it is left on its host, and the next session with that name may lie anywhere. One of a host that was
   * revoked is only forgotten.
   * @throws GatewayError NOT_FOUND | AGENT_OFFLINE | COMMAND_TIMEOUT | CONFLICT while a session that has not ended has it
   */
  async remove(id: string): Promise<{ agentId: string }> {
    const { store, hub } = this.#deps;
    const home = await store.homes.find(id);
    if (!home) throw new GatewayError('NOT_FOUND', `there is no home ${id}`);
    const agentId = home.agent_id;
    const session = await store.sessions.findUnendedWith(id);
    if (session) throw inUse(id, `session ${session.id}, which is ${session.state}`);
    const host = await store.agents.find(agentId);
    if (host?.revoked_at === null) {
      if (!hub.find(agentId))
        throw new GatewayError(
          'AGENT_OFFLINE',
          `the home ${id} lies on agent ${agentId}'s host, and that agent is not connected; try again once it is, or revoke the agent to give up all that its host has`,
        );
      await this.#removeAt(agentId, id);
    }
    // A session may have been made with it meanwhile, which then has it anew.
    if (!(await store.homes.remove(id))) throw inUse(id, 'a session that was made just now');
    return { agentId };
  }

  async #removeAt(agentId: string, home: string): Promise<void> {
    const { hub, metrics } = this.#deps;
    let outcome: string = 'ok';
    try {
      await hub.get(agentId).connection.run({ action: 'remove_home', home }, { deadlineMs: REMOVE_DEADLINE_MS });
    } catch (error) {
      outcome = toGatewayError(error).code;
      throw error;
    } finally {
      metrics.commands.inc({ action: 'remove_home', outcome });
    }
  }
}

function inUse(home: string, whose: string): GatewayError {
  return new GatewayError('CONFLICT', `the home ${home} is used by ${whose}; stop that session first`);
}
