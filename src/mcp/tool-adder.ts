import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import type { Desktop } from '../sdk/index.ts';
import { SessionArgument } from './computer-tools.ts';
import type { Desks } from './desks.ts';
import { json, tell } from './results.ts';

interface Tool<Input extends z.ZodObject> {
  description: string;
  input: Input;
  /** Whether it changes nothing. */
  isLooking?: true;
  /** Whether a viewer may do it; else it is there where driving is allowed alone. */
  isForViewers?: true;
  run: (desktop: Desktop, given: z.output<Input>, options: { signal: AbortSignal }) => Promise<unknown>;
}

export type AddTool = <Input extends z.ZodObject>(name: string, tool: Tool<Input>) => void;

/** Registers tools that call the desktop of a session, and answer JSON. */
export function toolAdder(server: McpServer, desks: Desks, { mayDrive }: { mayDrive: boolean }): AddTool {
  return (name, { description, input, isLooking = false, isForViewers = false, run }) => {
    if (!isForViewers && !mayDrive) return;
    const inputSchema = z.strictObject({ ...input.shape, session: SessionArgument });
    const annotations = { readOnlyHint: isLooking, openWorldHint: true };
    server.registerTool(name, { description, inputSchema, annotations }, ({ session, ...given }, { signal }) =>
      tell(async () =>
        json(await desks.use(SessionArgument.parse(session), (desk) => run(desk, input.parse(given), { signal }))),
      ),
    );
  };
}
