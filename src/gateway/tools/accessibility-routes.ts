import { z } from 'zod';
import { ActedElement, ElementAction, ElementTree, TreeQuery } from '../../protocol/accessibility.ts';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import { untilGone } from '../calls.ts';
import { controllerOf, withControls } from './rights.ts';
import type { ToolRouteDeps } from './routes.ts';

const Params = z.object({ sessionId: Id });

/** What a desktop's programs tell of their elements: controllers and owners read it, and who drives acts on it. */
export function addAccessibilityRoutes(app: App, { tools, programs }: Omit<ToolRouteDeps, 'audit'>): void {
  const path = '/api/v1/sessions/:sessionId/accessibility';
  const tags = ['desktop'];
  const config = { allow: 'member' } as const;

  app.get(
    path,
    {
      config,
      schema: {
        tags,
        summary: 'The tree of elements that the programs tell (AT-SPI)',
        params: Params,
        querystring: TreeQuery,
        response: { 200: ElementTree },
      },
    },
    ({ principal, query }, reply) =>
      tools.call(controllerOf(principal), 'readElements', query, { signal: untilGone(reply) }),
  );

  app.post(
    `${path}/act`,
    {
      config,
      schema: {
        tags,
        summary: 'Act on one element: press it, give it the focus, a text or a value, select or expand it',
        params: Params,
        body: ElementAction,
        response: { 200: ActedElement },
      },
    },
    (request, reply) =>
      withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'actOnElement', request.body, options),
      ),
  );
}
