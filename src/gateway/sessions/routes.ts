import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { Failure, Id, SessionSpec, SessionState } from '../../protocol/session.ts';
import type { Hub } from '../agents/hub.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import type { Logins } from '../logins/logins.ts';
import type { SessionRow } from '../store/tables.ts';
import type { Sessions } from './sessions.ts';

/** How long `?wait=ready` waits at most; then the answer is 202 with the state that the session has. */
const WAIT_READY_MS = 120_000;
const PAGE_MAX = 200;

const Session = z.object({
  id: z.string(),
  agentId: z.string(),
  agentState: z
    .enum(['online', 'degraded', 'offline'])
    .describe('A session of an offline agent may go on; its state is as last heard'),
  state: SessionState,
  reason: Failure.optional().describe('Why it failed, or why it went back to starting'),
  logTail: z.array(z.string()).optional(),
  streamer: z.enum(['neko', 'embedded']).optional(),
  spec: SessionSpec,
  logins: z.int().describe('Clients joined or joining now'),
  createdAt: z.string(),
  updatedAt: z.string(),
  endedAt: z.string().nullable(),
});

const Params = z.object({ sessionId: Id });
const tags = ['sessions'];

export interface SessionRoutesDeps {
  sessions: Sessions;
  hub: Hub;
  logins: Logins;
  audit: Audit;
}

export function addSessionRoutes(app: App, deps: SessionRoutesDeps): void {
  const { sessions, audit } = deps;

  app.post(
    '/api/v1/sessions',
    {
      schema: {
        tags,
        summary: 'Start a session, on the named agent or the one with the most room',
        description:
          '`wait=ready` answers 201 once the session runs or has failed (see its state and reason), or 202 when that takes too long.',
        querystring: z.object({ wait: z.literal('ready').optional() }),
        body: SessionSpec.extend({ agentId: Id.optional() }),
        response: { 201: Session, 202: Session },
      },
    },
    async ({ body: { agentId, ...spec }, query: { wait }, id: requestId }, reply) => {
      const created = await sessions.create(spec, agentId);
      audit.record({
        actor: 'admin',
        action: 'session.created',
        target: `session:${created.id}`,
        detail: { agentId: created.agent_id },
        requestId,
      });
      const session = wait === 'ready' ? await sessions.whenSettled(created.id, WAIT_READY_MS) : created;
      const settled = session.state === 'running' || session.ended_at !== null;
      return reply.code(settled ? 201 : 202).send(present(session, deps));
    },
  );

  app.get(
    '/api/v1/sessions',
    {
      schema: {
        tags,
        summary: 'List sessions, newest first',
        querystring: z.object({
          state: SessionState.optional(),
          limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
          cursor: z.string().max(256).optional().describe("The page before's nextCursor"),
        }),
        response: { 200: z.object({ sessions: z.array(Session), nextCursor: z.string().optional() }) },
      },
    },
    async ({ query: { state, limit, cursor } }) => {
      const after = cursor === undefined ? undefined : decodeCursor(cursor);
      const page = await sessions.list({ state, after, limit: limit + 1 });
      const shown = page.slice(0, limit);
      const last = shown.at(-1);
      return {
        sessions: shown.map((session) => present(session, deps)),
        ...(page.length > limit && last && { nextCursor: encodeCursor(last) }),
      };
    },
  );

  app.get(
    '/api/v1/sessions/:sessionId',
    { schema: { tags, summary: 'Show a session', params: Params, response: { 200: Session } } },
    async ({ params }) => present(await sessions.get(params.sessionId), deps),
  );

  app.delete(
    '/api/v1/sessions/:sessionId',
    {
      schema: {
        tags,
        summary: 'Stop a session; its clients are told SESSION_ENDED. Stopping an ended one is fine',
        description:
          '200 once it has ended; 202 while its agent is away or slow, and then it ends when the agent is back.',
        params: Params,
        response: { 200: Session, 202: Session },
      },
    },
    async ({ params: { sessionId }, id: requestId }, reply) => {
      audit.record({ actor: 'admin', action: 'session.stopped', target: `session:${sessionId}`, requestId });
      const session = await sessions.stop(sessionId);
      return reply.code(session.ended_at === null ? 202 : 200).send(present(session, deps));
    },
  );
}

function present(session: SessionRow, { hub, logins }: SessionRoutesDeps): z.input<typeof Session> {
  const { reason_code: code, reason_message: message, log_tail: logTail, streamer } = session;
  return {
    id: session.id,
    agentId: session.agent_id,
    agentState: hub.stateOf(session.agent_id),
    state: session.state,
    ...(code !== null && { reason: { code, message: message ?? '' } }),
    ...(logTail !== null && { logTail: z.array(z.string()).parse(JSON.parse(logTail)) }),
    ...(streamer !== null && { streamer }),
    spec: SessionSpec.parse(JSON.parse(session.spec)),
    logins: logins.list(session.id).length,
    createdAt: session.created_at,
    updatedAt: session.updated_at,
    endedAt: session.ended_at,
  };
}

const Cursor = z.tuple([z.iso.datetime(), Id]);

function encodeCursor({ created_at: createdAt, id }: SessionRow): string {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url');
}

function decodeCursor(cursor: string): { createdAt: string; id: string } {
  try {
    const [createdAt, id] = Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    return { createdAt, id };
  } catch (cause) {
    throw new GatewayError('BAD_REQUEST', 'the cursor is not one of ours', { cause });
  }
}
