import { basename } from 'node:path';
import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import { Launched, LaunchOrder, OpenOrder } from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import { actorOf } from '../auth.ts';
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
      const { principal, params, body, id: requestId } = request;
      const launched = await withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'launch', body, options),
      );
      // Its arguments may hold a secret.
      const detail = { program: basename(body.command[0] ?? ''), pid: launched.pid };
      const target = `session:${params.sessionId}`;
      audit.record({ actor: actorOf(principal), action: 'program.launched', target, detail, requestId });
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
      const { principal, params, body, id: requestId } = request;
      const launched = await withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'open', body, options),
      );
      const target = `session:${params.sessionId}`;
      const detail = { opened: withoutSecrets(body.target), pid: launched.pid };
      audit.record({ actor: actorOf(principal), action: 'target.opened', target, detail, requestId });
      return launched;
    },
  );
}

/** Of an address, where it leads alone: its path and query may hold a secret. */
function withoutSecrets(target: string): string {
  return URL.canParse(target) && new URL(target).origin !== 'null' ? new URL(target).origin : target;
}
