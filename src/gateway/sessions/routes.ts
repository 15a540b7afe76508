import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { Session } from '../../protocol/api.ts';
import { Id, SessionSpec, SessionState, SpecChoice } from '../../protocol/session.ts';
import type { Hub } from '../agents/hub.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import type { Logins } from '../logins/logins.ts';
import type { SessionRow } from '../store/tables.ts';
import { applyTemplate, type Templates } from '../templates/templates.ts';
import { needsOf } from './placement.ts';
import type { SessionOrder, Sessions } from './sessions.ts';
import { specOf } from './states.ts';

/** How long `?wait=ready` waits at most; then the answer is 202 with the state that the session has. */
const WAIT_READY_MS = 120_000;
const PAGE_MAX = 200;

const WaitQuery = z.object({ wait: z.literal('ready').optional() });

/** What can be done with a session that is there; `PAST` is the audit's word for it. */
const ACTIONS = {
  stop: 'Stop a session, as DELETE does',
  restart: 'Stop what runs of a session and start it again, under the same id and accesses; an ended one too',
  pause: 'Freeze a running session: nothing in it runs, its memory stays taken, who is in it stays and is told',
  resume: 'Let a paused session go on where it was',
  hibernate:
    'Stop a session with a home and keep all that it takes to wake it; its clients are told SESSION_HIBERNATED',
  wake: 'Start a hibernated session on the home that it had',
} as const;
const PAST = {
  stop: 'stopped',
  restart: 'restarted',
  pause: 'paused',
  resume: 'resumed',
  hibernate: 'hibernated',
  wake: 'woken',
} as const satisfies Record<keyof typeof ACTIONS, string>;
/** Where each is to end; with the session elsewhere the answer is 202. */
const DONE = {
  stop: ['stopped', 'failed'],
  restart: ['running'],
  pause: ['paused'],
  resume: ['running'],
  hibernate: ['hibernated'],
  wake: ['running'],
} as const satisfies Record<keyof typeof ACTIONS, SessionState[]>;

const Params = z.object({ sessionId: Id });
const tags = ['sessions'];

export interface SessionRoutesDeps {
  sessions: Sessions;
  templates: Templates;
  hub: Hub;
  logins: Logins;
  audit: Audit;
}

export function addSessionRoutes(app: App, deps: SessionRoutesDeps): void {
  const { sessions, templates, audit } = deps;

  app.post(
    '/api/v1/sessions',
    {
      schema: {
        tags,
        summary: 'Start a session, on the named agent or the one with the most room',
        description:
          '`wait=ready` answers 201 once the session runs or has failed (see its state and reason), or 202 when that takes too long. With `template`, what the template says is what is not chosen beside it, and a session that its pool keeps ready is taken where it is all that was asked for. A session with `home` goes to the host on which the home lies.',
        querystring: WaitQuery,
        body: SpecChoice.extend({ agentId: Id.optional(), template: Id.optional() }),
        response: { 201: Session, 202: Session },
      },
    },
    async ({ body: { agentId, template: templateId, ...choice }, query: { wait }, id: requestId }, reply) => {
      const template = templateId === undefined ? undefined : await templates.get(templateId);
      const created = await sessions.create({
        ...orderOf(template ? applyTemplate(template, choice) : choice),
        agentId,
        template,
      });
      audit.record({
        actor: 'admin',
        action: 'session.created',
        target: `session:${created.id}`,
        detail: {
          agentId: created.agent_id,
          template: template && `${template.id}@${template.revision}`,
          warm: created.state === 'running',
        },
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

  for (const action of ['stop', 'restart', 'pause', 'resume', 'hibernate', 'wake'] as const) {
    app.post(
      `/api/v1/sessions/:sessionId/${action}`,
      {
        schema: {
          tags,
          summary: ACTIONS[action],
          description:
            'Doing it again is fine. 200 once it is done, 202 while it is under way; `wait=ready` waits until a session that is started runs, has failed, or can’t be woken. CONFLICT, with the way out, where its state does not allow it.',
          params: Params,
          querystring: WaitQuery,
          response: { 200: Session, 202: Session },
        },
      },
      async ({ params: { sessionId }, query: { wait }, id: requestId }, reply) => {
        const changed = await sessions[action](sessionId);
        audit.record({ actor: 'admin', action: `session.${PAST[action]}`, target: `session:${sessionId}`, requestId });
        const starts = action === 'wake' || action === 'restart';
        const session = starts && wait === 'ready' ? await sessions.whenSettled(sessionId, WAIT_READY_MS) : changed;
        const isDone = DONE[action].some((state) => state === session.state);
        return reply.code(isDone ? 200 : 202).send(present(session, deps));
      },
    );
  }
}

function orderOf(choice: SpecChoice): Pick<SessionOrder, 'spec' | 'needs'> {
  return {
    spec: SessionSpec.parse(choice),
    needs: needsOf(choice),
  };
}

function present(session: SessionRow, { hub, logins }: SessionRoutesDeps): z.input<typeof Session> {
  const { reason_code: code, reason_message: message, log_tail: logTail, exit_code: exitCode, streamer } = session;
  const { template_id: templateId, template_revision: revision } = session;
  return {
    id: session.id,
    agentId: session.agent_id,
    agentState: hub.stateOf(session.agent_id),
    state: session.state,
    ...(code !== null && { reason: { code, message: message ?? '', ...(exitCode !== null && { exitCode }) } }),
    ...(logTail !== null && { logTail: z.array(z.string()).parse(JSON.parse(logTail)) }),
    ...(streamer !== null && { streamer }),
    spec: specOf(session.spec),
    ...(templateId !== null && revision !== null && { template: { id: templateId, revision } }),
    restarts: session.restarts,
    startedAt: session.started_at,
    idleAt: session.idle_at,
    endsAt: session.ends_at,
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
