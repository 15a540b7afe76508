import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import {
  ClosedWindow,
  DesktopWindow,
  FocusedWindow,
  WindowId,
  WindowList,
  WindowPlace,
  WindowSize,
} from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import { accessOf, untilGone } from '../calls.ts';
import { withControls } from './rights.ts';
import type { ToolRouteDeps } from './routes.ts';

const Params = z.object({ sessionId: Id });
const OneWindow = Params.extend({ windowId: WindowId });

/** A desktop's windows: every access may look at them, who drives arranges them. */
export function addWindowRoutes(app: App, { tools, programs }: ToolRouteDeps): void {
  const path = '/api/v1/sessions/:sessionId/windows';
  const one = `${path}/:windowId`;
  const tags = ['desktop'];
  const config = { allow: 'member' } as const;
  app.get(
    path,
    { config, schema: { tags, summary: "The desktop's windows", params: Params, response: { 200: WindowList } } },
    ({ principal }, reply) => tools.call(accessOf(principal), 'listWindows', {}, { signal: untilGone(reply) }),
  );

  app.get(
    `${path}/focused`,
    {
      config,
      schema: { tags, summary: 'The window that keys go to', params: Params, response: { 200: FocusedWindow } },
    },
    ({ principal }, reply) => tools.call(accessOf(principal), 'findFocusedWindow', {}, { signal: untilGone(reply) }),
  );

  app.post(
    `${one}/focus`,
    {
      config,
      schema: {
        tags,
        summary: 'Bring a window to the front, where keys go to it; a minimized one too',
        params: OneWindow,
        response: { 200: DesktopWindow },
      },
    },
    (request, reply) =>
      withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'focusWindow', { id: request.params.windowId }, options),
      ),
  );

  app.post(
    `${one}/move`,
    {
      config,
      schema: {
        tags,
        summary: "Put a window's content at a place, where it fills the screen no more; answers where it is then",
        params: OneWindow,
        body: WindowPlace,
        response: { 200: DesktopWindow },
      },
    },
    (request, reply) =>
      withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'moveWindow', { id: request.params.windowId, ...request.body }, options),
      ),
  );

  app.post(
    `${one}/resize`,
    {
      config,
      schema: {
        tags,
        summary:
          "Give a window's content a size; answers the one that it has then, for a terminal takes whole characters",
        params: OneWindow,
        body: WindowSize,
        response: { 200: DesktopWindow },
      },
    },
    (request, reply) =>
      withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'resizeWindow', { id: request.params.windowId, ...request.body }, options),
      ),
  );

  app.post(
    `${one}/close`,
    {
      config,
      schema: {
        tags,
        summary: 'Ask a window to close, as its own button does',
        params: OneWindow,
        response: { 200: ClosedWindow },
      },
    },
    (request, reply) =>
      withControls(programs, request, reply, (access, options) =>
        tools.call(access, 'closeWindow', { id: request.params.windowId }, options),
      ),
  );
}
