import { GatewayError } from '../../errors.ts';
import type { SpecChoice } from '../../protocol/session.ts';
import type { Agents } from '../agents/agents.ts';
import type { Hub, Present } from '../agents/hub.ts';
import type { Store } from '../store/store.ts';

export interface PlacementDeps {
  store: Store;
  agents: Agents;
  hub: Hub;
}

/** What a session asks of its host. */
export interface PlacementWish {
  agentId?: string | undefined;
  home?: string | undefined;
  needs?: HostNeeds;
}

/** What not every host can give. */
export interface HostNeeds {
  /** An image, limits, folders of the host: something that processes can't give. */
  container: boolean;
  mountRoots: readonly string[];
}

const NO_NEEDS: HostNeeds = { container: false, mountRoots: [] };

export function needsOf({ image, resources, mounts = [] }: SpecChoice): HostNeeds {
  return {
    container: image !== undefined || resources !== undefined || mounts.length > 0,
    mountRoots: mounts.map(({ root }) => root),
  };
}

/**
 * The agent that takes a new session: the named one, the one on whose host its home lies, else the connected one with the most
 * room. What waits in a pool makes room. @throws GatewayError AGENT_NOT_FOUND | AGENT_OFFLINE | NO_AGENT | SESSION_LIMIT | CONFLICT | BAD_REQUEST
 */
export async function placeSession(deps: PlacementDeps, wish: PlacementWish): Promise<Present> {
  const { agents, hub } = deps;
  const agentId = await agentOf(deps, wish);
  if (agentId !== undefined) await agents.get(agentId);
  const candidates = agentId === undefined ? hub.list() : [hub.get(agentId)];
  if (candidates.length === 0)
    throw new GatewayError('NO_AGENT', 'no agent is connected; start one with "nekogate agent"');
  const { needs = NO_NEEDS } = wish;
  if (needs.container && !candidates.some(runsContainers))
    throw new GatewayError(
      'BAD_REQUEST',
      `an image, resource limits or mounts need a container, and ${agentId === undefined ? 'no connected agent runs them' : `agent ${agentId} runs none`} (--runtime docker); leave them out, or start such an agent`,
    );
  const fitting = candidates.filter((present) => canGive(present, needs));
  if (fitting.length === 0)
    throw new GatewayError(
      'BAD_REQUEST',
      `${agentId === undefined ? 'no connected agent has' : `agent ${agentId} lacks`} the mount roots ${needs.mountRoots.join(', ')}; an operator declares them by --mount-root`,
    );
  const rooms = await roomByAgent(deps);
  const roomOf = (present: Present): number => rooms.room(present);
  const best = fitting.toSorted((one, other) => roomOf(other) - roomOf(one))[0];
  if (!best || roomOf(best) <= 0)
    throw new GatewayError(
      'SESSION_LIMIT',
      `${agentId === undefined ? 'every connected agent' : `agent ${agentId}`} has as many sessions as it takes; stop one`,
    );
  return best;
}

/** How many more sessions a host takes, and how many of them only once something of a pool is ended there. */
export async function roomByAgent({
  store,
}: Pick<PlacementDeps, 'store'>): Promise<{ room: (present: Present) => number; free: (present: Present) => number }> {
  const counts = await store.sessions.countLiveByAgent();
  const pooled = await store.sessions.countPooledByAgent();
  const free = ({ connection, hello }: Present): number =>
    hello.capabilities.maxSessions - (counts.get(connection.agent.id) ?? 0);
  return { free, room: (present) => free(present) + (pooled.get(present.connection.agent.id) ?? 0) };
}

export function canGive(present: Present, { container, mountRoots }: HostNeeds): boolean {
  const roots = new Set(present.hello.capabilities.mountRoots);
  return (!container || runsContainers(present)) && mountRoots.every((root) => roots.has(root));
}

/** Whether what it runs can be an image, and held to limits. */
function runsContainers({ hello }: Present): boolean {
  return hello.capabilities.runtimes.some((runtime) => runtime !== 'process');
}

async function agentOf({ store }: PlacementDeps, { agentId, home }: PlacementWish): Promise<string | undefined> {
  if (home === undefined) return agentId;
  const placed = await store.homes.find(home);
  if (!placed) return agentId;
  const host = await store.agents.find(placed.agent_id);
  // A host that was given up takes its homes along.
  if (!host || host.revoked_at !== null) return agentId;
  if (agentId !== undefined && agentId !== host.id)
    throw new GatewayError(
      'CONFLICT',
      `the home ${home} lies on agent ${host.id}'s host; leave agentId out, or take another home`,
    );
  return host.id;
}
