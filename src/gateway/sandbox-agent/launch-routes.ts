import { z } from 'zod';
import { LaunchOrder, OpenOrder } from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { recordLaunch, recordOpening } from '../tools/launch-records.ts';
import type { Tools } from '../tools/tools.ts';
import { callingOf, type Desks, type Names } from './desk.ts';

/** How long `wait` waits for a window, as sandbox-agent's server does. */
const WINDOW_WAIT_MS = 5000;

const NAMES: Names = { behind: 'desktop_runtime_failed' };

const Word = LaunchOrder.shape.command.element;
const Process = z.object({
  pid: z.int(),
  /** The same: there are no processes of sandbox-agent's here. */
  processId: z.string(),
  windowId: z.string().optional(),
});

export interface LaunchRoutesDeps {
  desks: Desks;
  tools: Tools;
  audit: Audit;
}

export function addLaunchRoutes(app: App, { desks, tools, audit }: LaunchRoutesDeps): void {
  const config = { allow: 'member' } as const;
  const schema = { hide: true, response: { 200: Process } };

  app.post(
    '/desktop/launch',
    {
      config,
      schema: {
        ...schema,
        body: z.strictObject({
          app: Word,
          args: z.array(Word).max(63).nullish(),
          wait: z.boolean().nullish(),
        }),
      },
    },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { app: program, args, wait } = request.body;
      const order = { command: [program, ...(args ?? [])], waitMs: wait === true ? WINDOW_WAIT_MS : 0 };
      const launched = await desks.drive(calling, NAMES, (signal) =>
        tools.call(calling.access, 'launch', order, { signal }),
      );
      recordLaunch(audit, calling, order.command, launched);
      return answerOf(launched);
    },
  );

  app.post(
    '/desktop/open',
    { config, schema: { ...schema, body: z.strictObject({ target: OpenOrder.shape.target }) } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { target } = request.body;
      const launched = await desks.drive(calling, NAMES, (signal) =>
        tools.call(calling.access, 'open', { target }, { signal }),
      );
      recordOpening(audit, calling, target, launched);
      return answerOf(launched);
    },
  );
}

function answerOf({ pid, window }: { pid: number; window: { id: string } | null }): z.input<typeof Process> {
  return { pid, processId: String(pid), ...(window && { windowId: window.id }) };
}
