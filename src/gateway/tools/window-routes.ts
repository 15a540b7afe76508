import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import { FocusedWindow, WindowList } from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import { accessOf, untilGone } from '../calls.ts';
import type { Tools } from './tools.ts';

const Params = z.object({ sessionId: Id });

/** A desktop's windows: every access may look at them. */
export function addWindowRoutes(app: App, { tools }: { tools: Tools }): void {
  const path = '/api/v1/sessions/:sessionId/windows';
  const tags = ['desktop'];

  app.get(
    path,
    {
      config: { allow: 'member' },
      schema: { tags, summary: "The desktop's windows", params: Params, response: { 200: WindowList } },
    },
    ({ principal }, reply) => tools.call(accessOf(principal), 'listWindows', {}, { signal: untilGone(reply) }),
  );

  app.get(
    `${path}/focused`,
    {
      config: { allow: 'member' },
      schema: { tags, summary: 'The window that keys go to', params: Params, response: { 200: FocusedWindow } },
    },
    ({ principal }, reply) => tools.call(accessOf(principal), 'findFocusedWindow', {}, { signal: untilGone(reply) }),
  );
}
