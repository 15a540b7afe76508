import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { Action, WATCHING, type ActionType } from '../computer/actions.ts';
import { NekogateError } from '../sdk/index.ts';
import type { Desks } from './desks.ts';
import { contentOf, tell } from './results.ts';

/** Actions of one batch. */
const BATCH_MAX = 50;
/** Pictures of one batch; more are refused, for no model's context has room for them. */
const BATCH_PICTURES_MAX = 4;
const PICTURES: readonly ActionType[] = ['screenshot', 'zoom', 'settled'];

export const SessionArgument = z
  .string()
  .max(64)
  .optional()
  .describe('Which session; may be left out where there is one alone');

const TOOLS: Record<string, { type: ActionType; description: string }> = {
  computer_screenshot: { type: 'screenshot', description: 'A picture of the screen; places are its pixels' },
  computer_zoom: { type: 'zoom', description: 'A part of the screen in all its pixels; places in it are not places' },
  computer_cursor_position: { type: 'cursor_position', description: 'Where the pointer is' },
  computer_wait: { type: 'wait', description: 'Wait for so many milliseconds' },
  computer_move: { type: 'move', description: 'Move the pointer' },
  computer_click: { type: 'click', description: 'Click, at a place or where the pointer is' },
  computer_drag: { type: 'drag', description: 'Drag along a path of places' },
  computer_scroll: { type: 'scroll', description: 'Turn the wheel; positive is down and right' },
  computer_key: { type: 'key', description: 'Press keys, like Return or ctrl+s' },
  computer_type: { type: 'type', description: 'Type a text' },
};

/** Tools that see a desktop and, where that is allowed, those that drive it. */
export function addComputerTools(server: McpServer, desks: Desks, { mayDrive }: { mayDrive: boolean }): void {
  for (const [name, { type, description }] of Object.entries(TOOLS)) {
    const isLooking = WATCHING.includes(type);
    if (!isLooking && !mayDrive) continue;
    const inputSchema = argumentsOf(type);
    const annotations = { readOnlyHint: isLooking, openWorldHint: true };
    server.registerTool(name, { description, inputSchema, annotations }, ({ session, ...given }, { signal }) =>
      tell(async () => {
        const action = Action.parse({ type, ...given });
        const { results } = await desks.act(SessionArgument.parse(session), [action], signal);
        return { content: contentOf(results) };
      }),
    );
  }
  if (mayDrive) addBatch(server, desks);
}

function addBatch(server: McpServer, desks: Desks): void {
  const description =
    'Run several actions in order, up to the first that fails; with a screenshot last, see what came of it';
  const inputSchema = z.strictObject({ actions: z.array(Action).min(1).max(BATCH_MAX), session: SessionArgument });
  server.registerTool('computer_batch', { description, inputSchema }, ({ actions, session }, { signal }) =>
    tell(async () => {
      if (actions.filter(({ type }) => PICTURES.includes(type)).length > BATCH_PICTURES_MAX)
        throw new NekogateError('BAD_REQUEST', `a batch has at most ${BATCH_PICTURES_MAX} pictures`);
      const { results } = await desks.act(session, actions, signal);
      return { content: contentOf(results) };
    }),
  );
}

/** An action's fields, and the session. */
function argumentsOf(type: ActionType): z.ZodObject {
  const member = Action.options.find((option) => option.shape.type.value === type);
  const fields = Object.entries(member?.shape ?? {}).filter(([name]) => name !== 'type');
  return z.strictObject({ ...Object.fromEntries(fields), session: SessionArgument });
}
