import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { Login } from '../../protocol/api.ts';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { actorOf } from '../auth.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Logins } from './logins.ts';
import type { LostLogins } from './lost-logins.ts';

const Params = z.object({ sessionId: Id });
const tags = ['logins'];
/** A session's owners may see and end who is in it. */
const config = { allow: 'owner' } as const;

export interface LoginRoutesDeps {
  logins: Logins;
  lost: LostLogins;
  sessions: Sessions;
  audit: Audit;
}

export function addLoginRoutes(app: App, { logins, lost, sessions, audit }: LoginRoutesDeps): void {
  app.get(
    '/api/v1/sessions/:sessionId/logins',
    {
      config,
      schema: {
        tags,
        summary: 'List who is in a session',
        params: Params,
        response: { 200: z.object({ logins: z.array(Login) }) },
      },
    },
    async ({ params: { sessionId } }) => {
      const session = await sessions.get(sessionId);
      const live = logins.list(sessionId).map(({ loginId, access, client, since, address }) => ({
        loginId,
        accessId: access.id,
        label: access.label,
        role: access.role,
        state: 'live' as const,
        client,
        since,
        address,
      }));
      const resumed = new Set(live.map(({ loginId }) => loginId));
      const waiting = lost
        .list(session)
        .filter(({ loginId }) => !resumed.has(loginId))
        .map((login) => ({ ...login, state: 'lost' as const }));
      return { logins: [...live, ...waiting] };
    },
  );

  app.delete(
    '/api/v1/sessions/:sessionId/logins/:loginId',
    {
      config,
      schema: {
        tags,
        summary: 'End one login, live or lost; its access may join again until it is revoked',
        params: Params.extend({ loginId: z.uuid() }),
      },
    },
    async ({ params: { sessionId, loginId }, principal, id: requestId }, reply) => {
      const wasLive = logins.kick(sessionId, loginId);
      if (!wasLive) {
        if (lost.find(loginId)?.sessionId !== sessionId)
          throw new GatewayError('NOT_FOUND', `session ${sessionId} has no login ${loginId}; it may have ended`);
        await sessions.endLogins(sessionId, { loginId }, 'KICKED');
      }
      audit.record({
        actor: actorOf(principal),
        action: 'login.kicked',
        target: `session:${sessionId}`,
        detail: { loginId },
        requestId,
      });
      return reply.code(204).send();
    },
  );
}
