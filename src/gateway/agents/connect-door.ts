import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import { CONTROL_FRAME_MAX_BYTES } from '../../protocol/limits.ts';
import { Id } from '../../protocol/session.ts';
import type { Auth } from '../auth.ts';
import { createWebSocketServer, type Door, type Upgrade } from '../upgrade.ts';
import type { Agents } from './agents.ts';
import { AgentConnection, type AgentConnectionOptions } from './connection.ts';
import type { Greeter, Hub } from './hub.ts';

export interface ConnectDoorDeps {
  agents: Agents;
  auth: Auth;
  hub: Hub;
  greeter: Greeter;
  connection: Omit<AgentConnectionOptions, 'log'>;
  log: Logger;
}

/** Where agents come in: `/api/v1/agents/connect?agent_id=ID`, or `/ws/agents/ID`. The key is checked before the upgrade. */
export function createConnectDoors(deps: ConnectDoorDeps): Door[] {
  const server = createWebSocketServer({ maxPayload: CONTROL_FRAME_MAX_BYTES });
  const open = async (upgrade: Upgrade, agentId: string): Promise<void> => {
    const agent = await authenticateAgent(deps, upgrade, agentId);
    const socket = await upgrade.accept(server);
    const connection = new AgentConnection(socket, agent, { ...deps.connection, log: deps.log });
    // The connection lives on without this request.
    void deps.hub.accept(connection, deps.greeter);
  };
  return [
    {
      pattern: /^\/api\/v1\/agents\/connect$/,
      open: (upgrade) => open(upgrade, upgrade.url.searchParams.get('agent_id') ?? ''),
    },
    { pattern: /^\/ws\/agents\/(?<agentId>[^/]+)$/, open: (upgrade, { agentId = '' }) => open(upgrade, agentId) },
  ];
}

/** By the header `X-Agent-API-Key`; refusals are counted and audited. */
export async function authenticateAgent(
  { agents, auth }: Pick<ConnectDoorDeps, 'agents' | 'auth'>,
  { request, address, requestId }: Upgrade,
  agentId: string,
): ReturnType<Agents['authenticate']> {
  // Agents are no browsers: a page that reaches this has no business here.
  if (request.headers.origin !== undefined)
    throw new GatewayError('ORIGIN_REFUSED', 'browsers do not connect as agents');
  const key = request.headers['x-agent-api-key'];
  try {
    if (!Id.safeParse(agentId).success) throw new GatewayError('BAD_REQUEST', 'agent_id is not an agent id');
    return await agents.authenticate(agentId, typeof key === 'string' ? key : undefined);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw auth.refuse({ sessionId: undefined, address, requestId }, error);
  }
}
