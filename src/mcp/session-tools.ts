import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { Id, Screen } from '../protocol/session.ts';
import type { Session, Sessions } from '../sdk/index.ts';
import { SessionArgument } from './computer-tools.ts';
import type { Desks } from './desks.ts';
import { json, tell } from './results.ts';

/** Sessions in one listing. */
const LISTED_MAX = 200;

/** Tools that tell of sessions and, where that is allowed, start and stop them. */
export function addSessionTools(
  server: McpServer,
  { desks, sessions }: { desks: Desks; sessions: Sessions },
  { mayManage }: { mayManage: boolean },
): void {
  const readOnly = { readOnlyHint: true };
  const list = { description: 'The sessions that may be reached from here, newest first', annotations: readOnly };
  server.registerTool('session_list', list, ({ signal }) =>
    tell(async () => {
      const found: Session[] = [];
      let cursor: string | null | undefined;
      do {
        const page = await sessions.list({ limit: LISTED_MAX, signal, ...(cursor && { cursor }) });
        found.push(...page.sessions.filter(({ id }) => desks.has(id)));
        cursor = page.nextCursor;
      } while (cursor && found.length < LISTED_MAX);
      return json(found.map(present));
    }),
  );
  const inputSchema = z.strictObject({ session: SessionArgument });
  const get = { description: 'What a session is at', inputSchema, annotations: readOnly };
  server.registerTool('session_get', get, ({ session }, { signal }) =>
    tell(async () => json(present(await sessions.get(desks.sessionOf(session), { signal })))),
  );
  if (!mayManage) return;

  const order = z.strictObject({
    template: Id.optional(),
    app: z.array(z.string().min(1).max(4096)).min(1).max(64).optional().describe('The program and its arguments'),
    screen: Screen.optional(),
  });
  const create = { description: 'Start a session; resolves when it runs or has failed', inputSchema: order };
  server.registerTool('session_create', create, ({ template, app, screen }, { signal }) =>
    tell(async () => {
      const chosen = { ...(template !== undefined && { template }), ...(app && { app }), ...(screen && { screen }) };
      const session = await sessions.create(chosen, { wait: true, signal });
      desks.admit(session.id);
      return json(present(session));
    }),
  );
  const stop = { description: 'End a session', inputSchema, annotations: { destructiveHint: true } };
  server.registerTool('session_stop', stop, ({ session }, { signal }) =>
    tell(async () => json(present(await sessions.stop(desks.sessionOf(session), { signal })))),
  );
}

/** Neither its environment nor its program's arguments nor its log: secrets may stand there. */
function present({ id, state, agentId, agentState, streamer, spec, reason, template, createdAt, endedAt }: Session) {
  const { width, height } = spec.screen;
  return {
    id,
    state,
    agentId,
    agentState,
    streamer,
    screen: { width, height },
    reason: reason && { code: reason.code },
    template: template?.id,
    createdAt,
    endedAt,
  };
}
