import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import { Launched, LaunchOrder, OpenOrder } from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import { accessOf } from '../calls.ts';
import { recordLaunch, recordOpening } from './launch-records.ts';
import { withControls } from './rights.ts';
import type { ToolRouteDeps } from './routes.ts';

const Params = z.object({ sessionId: Id });

/** Programs are started at a desktop, and addresses and files opened. */
export function addLaunchRoutes(app: App, { tools, programs, audit }: ToolRouteDeps): void {
  const tags = ['desktop'];
  const config = { allow: 'member' } as const;

  app.post(
    '/api/v1/sessions/:sessionId/launch',
    {
      config,
      schema: {
        tags,
        summary: 'Start a program, without a shell, and wait for its window if told to',
        params: Params,
        body: LaunchOrder,
        response: { 200: Launched },
      },
    },
    async (request, reply) => {
      const { principal, body, id: requestId } = request;
      const launched = await withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'launch', body, options),
      );
      recordLaunch(audit, { access: accessOf(principal), caller: { requestId } }, body.command, launched);
      return launched;
    },
  );

  app.post(
    '/api/v1/sessions/:sessionId/open',
    {
      config,
      schema: {
        tags,
        summary:
          "Open a web address, or a file of the home, with what the desktop has for it: the session's own browser first",
        params: Params,
        body: OpenOrder,
        response: { 200: Launched },
      },
    },
    async (request, reply) => {
      const { principal, body, id: requestId } = request;
      const launched = await withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'open', body, options),
      );
      recordOpening(audit, { access: accessOf(principal), caller: { requestId } }, body.target, launched);
      return launched;
    },
  );
}
