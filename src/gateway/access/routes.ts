import { z } from 'zod';
import { Access, GrantedAccess } from '../../protocol/api.ts';
import { Id, Role, SessionState } from '../../protocol/session.ts';
import { GatewayError } from '../../errors.ts';
import type { Hub } from '../agents/hub.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { accessOf } from '../calls.ts';
import { getJoinable } from '../logins/admission.ts';
import type { Logins } from '../logins/logins.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { isEnded } from '../sessions/states.ts';
import type { AccessRow } from '../store/tables.ts';
import type { Tools } from '../tools/tools.ts';
import type { Accesses } from './accesses.ts';

const TTL_DEFAULT_SECONDS = 24 * 60 * 60;
const TTL_MAX_SECONDS = 365 * 24 * 60 * 60;

const Params = z.object({ sessionId: Id });
const tags = ['access'];

export interface AccessRoutesDeps {
  accesses: Accesses;
  sessions: Sessions;
  hub: Hub;
  logins: Logins;
  tools: Pick<Tools, 'interrupt'>;
  audit: Audit;
  /** Where browsers reach this gateway, without a slash at the end. */
  publicUrl: () => string;
}

export function addAccessRoutes(app: App, deps: AccessRoutesDeps): void {
  const { accesses, sessions, logins, tools, audit, publicUrl } = deps;

  app.post(
    '/api/v1/sessions/:sessionId/access',
    {
      schema: {
        tags,
        summary: 'Let somebody join a session',
        params: Params,
        body: z.object({
          role: Role,
          ttlSeconds: z.int().min(1).max(TTL_MAX_SECONDS).default(TTL_DEFAULT_SECONDS),
          label: z.string().max(64).default(''),
        }),
        response: {
          201: GrantedAccess,
        },
      },
    },
    async ({ params: { sessionId }, body, id: requestId }, reply) => {
      const session = await sessions.get(sessionId);
      if (isEnded(session)) throw new GatewayError('SESSION_ENDED', `session ${sessionId} is ${session.state}`);
      if (session.pool !== null)
        throw new GatewayError(
          'CONFLICT',
          `session ${sessionId} waits in a pool; make a session by its template to get it, and grant access then`,
        );
      const { access, token } = await accesses.grant(sessionId, body);
      audit.record({
        actor: 'admin',
        action: 'access.granted',
        target: `session:${sessionId}`,
        detail: { accessId: access.id, role: access.role, label: access.label, expiresAt: access.expires_at },
        requestId,
      });
      const viewUrl = `${publicUrl()}/view/${sessionId}#access=${token}`;
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...present(access), token, viewUrl });
    },
  );

  app.get(
    '/api/v1/sessions/:sessionId/access',
    {
      schema: {
        tags,
        summary: "List a session's accesses",
        params: Params,
        response: { 200: z.object({ access: z.array(Access) }) },
      },
    },
    async ({ params: { sessionId } }) => {
      await sessions.get(sessionId);
      return { access: (await accesses.list(sessionId)).map(present) };
    },
  );

  app.delete(
    '/api/v1/sessions/:sessionId/access/:accessId',
    {
      schema: {
        tags,
        summary: 'Revoke an access: its live connections end at once, their pictures too',
        params: Params.extend({ accessId: Id }),
      },
    },
    async ({ params: { sessionId, accessId }, id: requestId }, reply) => {
      await accesses.revoke(sessionId, accessId);
      logins.endAccess(accessId);
      tools.interrupt({ accessId }, new GatewayError('ACCESS_REVOKED', 'this access was revoked'));
      // An agent that is away is asked when it comes back: what it says of its logins is held against the accesses then.
      await sessions.endLogins(sessionId, { accessId }, 'ACCESS_REVOKED').catch(() => undefined);
      audit.record({
        actor: 'admin',
        action: 'access.revoked',
        target: `session:${sessionId}`,
        detail: { accessId },
        requestId,
      });
      return reply.code(204).send();
    },
  );

  app.get(
    '/api/v1/sessions/:sessionId/join',
    {
      config: { allow: 'member' },
      schema: {
        tags,
        summary: 'Whether this access can join now, for browsers cannot see why a WebSocket was refused',
        params: Params,
        response: { 200: z.object({ sessionId: z.string(), state: SessionState, role: Role, expiresAt: z.string() }) },
      },
    },
    async ({ params: { sessionId }, principal }) => {
      const { session } = await getJoinable(deps, sessionId);
      const { role, expires_at: expiresAt } = accessOf(principal);
      return { sessionId, state: session.state, role, expiresAt };
    },
  );
}

function present(access: AccessRow): z.input<typeof Access> {
  return {
    id: access.id,
    role: access.role,
    label: access.label,
    createdAt: access.created_at,
    expiresAt: access.expires_at,
    revokedAt: access.revoked_at,
  };
}
