import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import { ClipboardOrder, ClipboardQuery, ClipboardText, TOOL_INPUT_MAX_BYTES } from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import { untilGone } from '../calls.ts';
import { controllerOf, withControls } from './rights.ts';
import type { ToolRouteDeps } from './routes.ts';

const Params = z.object({ sessionId: Id });

/** A desktop's clipboard, and what is selected there. */
export function addClipboardRoutes(app: App, { tools, programs }: Pick<ToolRouteDeps, 'tools' | 'programs'>): void {
  const path = '/api/v1/sessions/:sessionId/clipboard';
  const tags = ['desktop'];
  const config = { allow: 'member' } as const;

  app.get(
    path,
    {
      config,
      schema: {
        tags,
        summary: 'The text on the clipboard',
        params: Params,
        querystring: ClipboardQuery,
        response: { 200: ClipboardText },
      },
    },
    ({ principal, query }, reply) =>
      tools.call(controllerOf(principal), 'readClipboard', query, { signal: untilGone(reply) }),
  );

  app.put(
    path,
    {
      config,
      bodyLimit: TOOL_INPUT_MAX_BYTES,
      schema: { tags, summary: 'Put a text on the clipboard', params: Params, body: ClipboardOrder },
    },
    async (request, reply) => {
      await withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'writeClipboard', request.body, options),
      );
      return reply.code(204).send();
    },
  );
}
