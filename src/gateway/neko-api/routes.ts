import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { RequestHead, type ResponseHead } from '../../protocol/http-tunnel.ts';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import { accessOf, untilGone } from '../calls.ts';
import { getJoinable } from '../logins/admission.ts';
import type { SessionDoorDeps } from '../logins/session-door.ts';
import { orderOfPlainClient, plainLoginId } from '../logins/order.ts';
import type { AccessRow } from '../store/tables.ts';
import { exchangeByTunnel } from '../tunnels/http-exchange.ts';

/** A request's body, as for files put into the desktop; a longer one is answered with 413. */
const BODY_MAX_BYTES = 64 * 1024 * 1024;
/** What neko is told of a request; the rest, credentials first of all, stays here. */
const REQUEST_HEADERS = ['content-type', 'content-length', 'accept', 'if-none-match', 'if-modified-since'];

/** What a tunnel to a session's agent takes. */
export type TunnelDeps = Pick<SessionDoorDeps, 'sessions' | 'hub' | 'tunnels'>;

export interface NekoApiDeps extends TunnelDeps {
  /** Told of each call, since a program may use a session by calls alone. */
  onCall: (sessionId: string) => void;
}

const Params = z.object({ sessionId: Id });

/**
 * neko's REST API under `/s/:sessionId/api`, with our access token in neko's place: an unmodified neko client works with
 * `server=https://gateway/s/SESSION?token=TOKEN`. What a role may do there neko decides, by the profile of its login; calls and
 * WebSocket of one token are one neko session.
 */
export async function addNekoApi(app: App, deps: NekoApiDeps): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    scope.route({
      method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: '/s/:sessionId/api/*',
      // The body is passed on and never held, so that its limit is kept below.
      bodyLimit: Number.MAX_SAFE_INTEGER,
      config: { allow: 'member', token: 'query' },
      schema: {
        tags: ['neko'],
        summary: "neko's own REST API, by the role of the access token (bearer or ?token=)",
        params: Params,
      },
      handler: async (request, reply) => {
        const access = accessOf(request.principal);
        const { id: accessId, session_id: sessionId } = access;
        const path = pathOf(request.raw, sessionId);
        if (path === '/api/login')
          throw new GatewayError('FORBIDDEN', 'this session is joined by its access token, not by a password');
        if (path === '/api/logout') {
          await deps.sessions.endLogins(sessionId, { loginId: plainLoginId(accessId) }, 'KICKED');
          return reply.serializer(JSON.stringify).send(true);
        }
        deps.onCall(sessionId);
        const head = { method: request.method, path, headers: pick(request.headers, REQUEST_HEADERS) };
        const { status, headers, body } = await exchange(deps, access, {
          head,
          body: request.body,
          signal: untilGone(reply),
        });
        return reply.code(status).headers(headers).send(body);
      },
    });
  });
}

interface Exchange {
  head: unknown;
  body: unknown;
  signal: AbortSignal;
}

async function exchange(
  deps: NekoApiDeps,
  access: AccessRow,
  { head, body, signal }: Exchange,
): Promise<ResponseHead & { body: Readable }> {
  const request = RequestHead.safeParse(head);
  if (!request.success)
    throw new GatewayError('BAD_REQUEST', `this can't be passed on to neko: ${z.prettifyError(request.error)}`);
  const sessionId = access.session_id;
  const { connection } = await getJoinable(deps, sessionId);
  const tunnel = await deps.tunnels.open(
    connection,
    { kind: 'http', sessionId, login: orderOfPlainClient(access) },
    signal,
  );
  return await exchangeByTunnel(tunnel, {
    head: request.data,
    body: body instanceof Readable ? body : Readable.from([]),
    maxBytes: BODY_MAX_BYTES,
    signal,
  });
}

/** neko's own path and query, without our token. */
function pathOf({ url = '' }: IncomingMessage, sessionId: string): string {
  const { pathname, searchParams } = new URL(url, 'http://gateway');
  searchParams.delete('token');
  const query = searchParams.toString();
  return pathname.slice(`/s/${sessionId}`.length) + (query === '' ? '' : `?${query}`);
}

function pick(headers: IncomingMessage['headers'], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
