import { z } from 'zod';
import { Id, Role } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { actorOf } from '../auth.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Logins } from './logins.ts';

const Login = z.object({
  loginId: z.string(),
  accessId: z.string(),
  label: z.string(),
  role: Role,
  since: z.string(),
  address: z.string().describe('Where the connection comes from; behind a proxy, the proxy'),
});

const Params = z.object({ sessionId: Id });
const tags = ['logins'];
/** A session's owners may see and end who is in it. */
const config = { allow: 'owner' } as const;

export interface LoginRoutesDeps {
  logins: Logins;
  sessions: Sessions;
  audit: Audit;
}

export function addLoginRoutes(app: App, { logins, sessions, audit }: LoginRoutesDeps): void {
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
      await sessions.get(sessionId);
      return {
        logins: logins.list(sessionId).map(({ loginId, access, since, address }) => ({
          loginId,
          accessId: access.id,
          label: access.label,
          role: access.role,
          since,
          address,
        })),
      };
    },
  );

  app.delete(
    '/api/v1/sessions/:sessionId/logins/:loginId',
    {
      config,
      schema: {
        tags,
        summary: 'End one connection; its access may join again until it is revoked',
        params: Params.extend({ loginId: z.uuid() }),
      },
    },
    async ({ params: { sessionId, loginId }, principal, id: requestId }, reply) => {
      logins.kick(sessionId, loginId);
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
