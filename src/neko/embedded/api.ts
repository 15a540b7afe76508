// What all routes of neko's HTTP API share: who asks, what he may, and how errors look.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Room } from './room.ts';
import type { Session } from './session.ts';

/** A failure as neko answers it, `{code, message}` with `code` as the HTTP status. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** One authenticated call. */
export interface Call {
  session: Session;
  request: FastifyRequest;
  reply: FastifyReply;
}

/** Throws ApiError when the caller may not. */
export type Guard = (session: Session, room: Room) => void;

export const adminsOnly: Guard = (session) => {
  if (!session.profile.is_admin) throw new ApiError(403, 'session is not admin');
};
export const hostsOnly: Guard = (session, room) => {
  if (!room.isHost(session)) throw new ApiError(403, 'session is not host');
};
export const hostsOrAdminsOnly: Guard = (session, room) => {
  if (!room.isHost(session) && !session.profile.is_admin) throw new ApiError(403, 'session is not host or admin');
};
export const watchersOnly: Guard = (session) => {
  if (!session.profile.can_watch) throw new ApiError(403, 'session cannot watch');
};
export const canHostOnly: Guard = (session, room) => {
  if (!session.profile.can_host) throw new ApiError(403, 'session cannot host');
  if (room.isShutOut(session)) throw new ApiError(422, 'private mode is enabled');
};
export const canAccessClipboardOnly: Guard = (session) => {
  if (!session.profile.can_access_clipboard) throw new ApiError(403, 'session cannot access clipboard');
};

type Method = 'GET' | 'POST' | 'DELETE';

/** Adds routes under `/api` for those who are logged in. A handler's `undefined` is 204, all else JSON. */
export class ApiRoutes {
  readonly #app: FastifyInstance;
  readonly #room: Room;

  constructor(app: FastifyInstance, room: Room) {
    this.#app = app;
    this.#room = room;
  }

  add(method: Method, path: string, guards: readonly Guard[], handle: (call: Call) => unknown): void {
    this.#app.route({
      method,
      url: `/api${path}`,
      handler: async (request, reply) => {
        const session = authenticate(this.#room, request);
        if (typeof session === 'string') {
          throw session === LOGIN_DISABLED
            ? new ApiError(403, 'login is disabled for this session')
            : new ApiError(401, 'Unauthorized');
        }
        for (const guard of guards) guard(session, this.#room);
        const answer = await handle({ session, request, reply });
        if (reply.sent) return;
        if (answer === undefined) await reply.code(204).send();
        else await reply.header('content-type', 'application/json').send(JSON.stringify(answer));
      },
    });
  }
}

const LOGIN_DISABLED = 'session login disabled';

/** Whose request it is, by `Authorization: Bearer` or `?token=`; else why it is nobody's, in neko's words. */
export function authenticate(
  room: Room,
  request: { headers: { authorization?: string | undefined }; url?: string | undefined },
): Session | string {
  const token = tokenOf(request);
  if (token === undefined) return 'no authentication provided';
  const session = room.findByToken(token);
  if (session === undefined) return 'session not found';
  return session.profile.can_login ? session : LOGIN_DISABLED;
}

function tokenOf(request: {
  headers: { authorization?: string | undefined };
  url?: string | undefined;
}): string | undefined {
  const [, bearer] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer.trim();
  const query = new URL(request.url ?? '/', 'http://localhost').searchParams.get('token');
  return query === null || query === '' ? undefined : query;
}

/** The request's JSON, read by `schema`. Throws ApiError 400 in neko's words. */
export function readBody<S extends z.ZodType>(request: FastifyRequest, schema: S): z.infer<S> {
  const { body } = request;
  if (typeof body !== 'string' || body.trim() === '') throw new ApiError(400, 'no data provided');
  const parsed = schema.safeParse(parseJson(body));
  if (!parsed.success) throw new ApiError(400, 'unable to parse provided data', { cause: parsed.error });
  return parsed.data;
}

/** The request's JSON, undefined where it is none. */
export function readJson(request: FastifyRequest): unknown {
  return typeof request.body === 'string' ? parseJson(request.body) : undefined;
}

/** A parameter of the path. */
export function readParameter(request: FastifyRequest, name: string): string {
  const parameters = z.record(z.string(), z.string()).parse(request.params);
  return parameters[name] ?? '';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
