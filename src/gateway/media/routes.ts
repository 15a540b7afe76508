import { z } from 'zod';
import { IcePlan, Rung } from '../../protocol/ice.ts';
import { PreflightPath } from '../../protocol/preflight.ts';
import { Id, Role } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import type { Hub } from '../agents/hub.ts';
import { untilGone } from '../calls.ts';
import type { Logins } from '../logins/logins.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';
import type { MediaOffers } from './offers.ts';
import { runPreflight } from './preflight.ts';

const Viewer = z.object({
  loginId: z.string(),
  role: Role.optional().describe('Left out for a login whose client is not connected to this gateway now'),
  address: z.string().optional().describe('Where its client comes from; behind a proxy, the proxy'),
  plans: z.array(IcePlan).describe('The ways for its media that it was offered, the preferred ones first'),
  reason: z.string().describe('Whose choice that was, and what is left out and why'),
  candidates: z.array(z.string()).describe("The streamer's ICE candidates, as the viewer was told them"),
  used: Rung.optional().describe('The way of its picture, as a viewer of ours says'),
});

const Diagnostics = z.object({
  sessionId: z.string(),
  state: z.string(),
  agent: z.object({ id: z.string(), state: z.enum(['online', 'degraded', 'offline']) }),
  viewers: z.array(Viewer),
});

const Preflight = z.object({
  agentId: z.string(),
  ok: z.boolean().describe('Whether any way works'),
  paths: z.array(PreflightPath),
});

export interface MediaRoutesDeps {
  sessions: Sessions;
  hub: Hub;
  logins: Logins;
  offers: MediaOffers;
  tunnels: Tunnels;
}

export function addMediaRoutes(app: App, { sessions, hub, logins, offers, tunnels }: MediaRoutesDeps): void {
  app.get(
    '/api/v1/sessions/:sessionId/diagnostics',
    {
      config: { allow: 'owner' },
      schema: {
        tags: ['sessions'],
        summary: "Tell by which ways a session's viewers may get their media, and which they take",
        params: z.object({ sessionId: Id }),
        response: { 200: Diagnostics },
      },
    },
    async ({ params: { sessionId } }) => {
      const session = await sessions.get(sessionId);
      const { state, agent_id: agentId } = session;
      const connected = new Map(logins.list(sessionId).map((login) => [login.loginId, login]));
      const viewers = offers.list(session).map(({ offer: { loginId, plans, reason, candidates }, used }) => {
        const login = connected.get(loginId);
        return {
          loginId,
          ...(login && { role: login.access.role, address: login.address }),
          plans,
          reason,
          candidates,
          ...(used !== undefined && { used }),
        };
      });
      return { sessionId, state, agent: { id: agentId, state: hub.stateOf(agentId) }, viewers };
    },
  );

  app.get(
    '/api/v1/agents/:agentId/preflight',
    {
      schema: {
        tags: ['agents'],
        summary: "Try each way by which viewers' media may reach an agent's host; takes some seconds",
        params: z.object({ agentId: Id }),
        response: { 200: Preflight },
      },
    },
    async ({ params: { agentId } }, reply) => {
      const paths = await runPreflight(tunnels, hub.get(agentId).connection, untilGone(reply));
      return { agentId, ok: paths.some(({ ok }) => ok), paths };
    },
  );
}
