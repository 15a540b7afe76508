import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import type { Hub } from '../agents/hub.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import type { PlacedHome } from '../store/homes.ts';
import type { Homes } from './homes.ts';

const PAGE_MAX = 200;

const Home = z.object({
  id: z.string().describe('Its name, as sessions give it'),
  agentId: z.string().describe('On whose host it lies'),
  agentState: z.enum(['online', 'degraded', 'offline']),
  createdAt: z.string(),
  lastUsedAt: z
    .string()
    .nullable()
    .describe(
      'When its last session ended, or last changed; null when that is longer ago than ended sessions are kept',
    ),
  session: z
    .object({ id: z.string(), state: z.string() })
    .nullable()
    .describe('The one that has it, a hibernated one too; else the last one that had it and is still remembered'),
  template: z.string().nullable().describe('Of that session'),
});

const tags = ['homes'];

export interface HomeRoutesDeps {
  homes: Homes;
  hub: Hub;
  audit: Audit;
}

export function addHomeRoutes(app: App, { homes, hub, audit }: HomeRoutesDeps): void {
  app.get(
    '/api/v1/homes',
    {
      schema: {
        tags,
        summary: 'List the homes that outlive their sessions, by name',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
          cursor: Id.optional().describe("The page before's nextCursor"),
        }),
        response: { 200: z.object({ homes: z.array(Home), nextCursor: z.string().optional() }) },
      },
    },
    async ({ query: { limit, cursor } }) => {
      const page = await homes.list(limit + 1, cursor);
      const shown = page.slice(0, limit);
      const last = shown.at(-1);
      return {
        homes: shown.map((home) => present(home, hub)),
        ...(page.length > limit && last && { nextCursor: last.id }),
      };
    },
  );

  app.delete(
    '/api/v1/homes/:homeId',
    {
      schema: {
        tags,
        summary: 'Remove a home with all that is in it, for good',
        description:
          'CONFLICT while a session that has not ended has it; AGENT_OFFLINE while the agent of its host is away. A home on the host of a revoked agent is only forgotten.',
        params: z.object({ homeId: Id }),
      },
    },
    async ({ params: { homeId }, id: requestId }, reply) => {
      const { agentId } = await homes.remove(homeId);
      audit.record({
        actor: 'admin',
        action: 'home.removed',
        target: `home:${homeId}`,
        detail: { agentId },
        requestId,
      });
      return reply.code(204).send();
    },
  );
}

function present(
  { id, agent_id: agentId, created_at: createdAt, session }: PlacedHome,
  hub: Hub,
): z.input<typeof Home> {
  return {
    id,
    agentId,
    agentState: hub.stateOf(agentId),
    createdAt,
    lastUsedAt: session ? (session.ended_at ?? session.updated_at) : null,
    session: session ? { id: session.id, state: session.state } : null,
    template: session?.template_id ?? null,
  };
}
