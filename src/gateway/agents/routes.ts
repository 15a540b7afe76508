import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { AgentRow } from '../store/tables.ts';
import type { Agents } from './agents.ts';
import type { Hub } from './hub.ts';

const Key = z.string().describe('64 hex digits, shown this once: the gateway keeps only its hash');

const Agent = z.object({
  id: z.string(),
  label: z.string(),
  state: z.enum(['online', 'degraded', 'offline']),
  createdAt: z.string(),
  lastSeenAt: z.string().nullable(),
  hostname: z.string().optional(),
  version: z.string().optional(),
  streamer: z.enum(['neko', 'embedded']).optional(),
  maxSessions: z.int().optional(),
  vncTunnels: z.int().optional().describe('VNC clients that it serves, as of its last heartbeat'),
});

const Params = z.object({ agentId: Id });
const tags = ['agents'];

export interface AgentRoutesDeps {
  agents: Agents;
  hub: Hub;
  sessions: Sessions;
  audit: Audit;
}

export function addAgentRoutes(app: App, deps: AgentRoutesDeps): void {
  const { agents, hub, sessions, audit } = deps;

  app.post(
    '/api/v1/agents',
    {
      schema: {
        tags,
        summary: 'Enroll an agent and get its key',
        body: z.object({ id: Id, label: z.string().max(64).default('') }),
        response: { 201: Agent.extend({ key: Key }) },
      },
    },
    async ({ body, id: requestId }, reply) => {
      const { agent, key } = await agents.enroll(body.id, body.label);
      audit.record({ actor: 'admin', action: 'agent.enrolled', target: `agent:${agent.id}`, requestId });
      return reply.code(201).send({ ...present(agent, hub), key });
    },
  );

  app.get(
    '/api/v1/agents',
    { schema: { tags, summary: 'List agents', response: { 200: z.object({ agents: z.array(Agent) }) } } },
    async () => ({ agents: (await agents.list()).map((agent) => present(agent, hub)) }),
  );

  app.get(
    '/api/v1/agents/:agentId',
    { schema: { tags, summary: 'Show an agent', params: Params, response: { 200: Agent } } },
    async ({ params }) => present(await agents.get(params.agentId), hub),
  );

  app.delete(
    '/api/v1/agents/:agentId',
    { schema: { tags, summary: 'Revoke an agent: its connection ends, its sessions are given up', params: Params } },
    async ({ params: { agentId }, id: requestId }, reply) => {
      await agents.revoke(agentId);
      hub.expel(agentId, `agent ${agentId} was revoked`);
      await sessions.abandon(agentId, `agent ${agentId} was revoked`);
      audit.record({ actor: 'admin', action: 'agent.revoked', target: `agent:${agentId}`, requestId });
      return reply.code(204).send();
    },
  );

  app.post(
    '/api/v1/agents/:agentId/rotate-key',
    {
      schema: {
        tags,
        summary: 'Give an agent a new key; the old one and its connection end at once',
        params: Params,
        response: { 200: z.object({ id: z.string(), key: Key }) },
      },
    },
    async ({ params: { agentId }, id: requestId }) => {
      const key = await agents.rotateKey(agentId);
      hub.expel(agentId, `agent ${agentId} has a new key`);
      audit.record({ actor: 'admin', action: 'agent.key-rotated', target: `agent:${agentId}`, requestId });
      return { id: agentId, key };
    },
  );
}

function present(agent: AgentRow, hub: Hub): z.input<typeof Agent> {
  const connected = hub.find(agent.id);
  const hello = connected?.hello;
  return {
    id: agent.id,
    label: agent.label,
    state: hub.stateOf(agent.id),
    createdAt: agent.created_at,
    lastSeenAt: hello ? new Date().toISOString() : agent.last_seen_at,
    ...(connected && { vncTunnels: connected.connection.vncTunnels }),
    ...(hello && {
      hostname: hello.hostname,
      version: hello.version,
      streamer: hello.capabilities.streamer,
      maxSessions: hello.capabilities.maxSessions,
    }),
  };
}
