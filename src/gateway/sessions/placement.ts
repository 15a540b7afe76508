import { GatewayError } from '../../errors.ts';
import type { Agents } from '../agents/agents.ts';
import type { Hub, Present } from '../agents/hub.ts';
import type { Store } from '../store/store.ts';

export interface PlacementDeps {
  store: Store;
  agents: Agents;
  hub: Hub;
}

/**
 * The agent that takes a new session: the named one, else the connected one with the most room.
 * @throws GatewayError AGENT_NOT_FOUND | AGENT_OFFLINE | NO_AGENT | SESSION_LIMIT
 */
export async function placeSession({ store, agents, hub }: PlacementDeps, agentId?: string): Promise<Present> {
  if (agentId !== undefined) await agents.get(agentId);
  const candidates = agentId === undefined ? hub.list() : [hub.get(agentId)];
  const counts = await store.sessions.countLiveByAgent();
  const roomOf = ({ connection, hello }: Present): number =>
    hello.capabilities.maxSessions - (counts.get(connection.agent.id) ?? 0);
  const best = candidates.toSorted((one, other) => roomOf(other) - roomOf(one))[0];
  if (!best) throw new GatewayError('NO_AGENT', 'no agent is connected; start one with "nekogate agent"');
  if (roomOf(best) <= 0)
    throw new GatewayError(
      'SESSION_LIMIT',
      `${agentId === undefined ? 'every connected agent' : `agent ${agentId}`} has as many sessions as it takes; stop one`,
    );
  return best;
}
