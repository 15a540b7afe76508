import { z } from 'zod';
import { WindowId, WindowPlace, WindowSize } from '../../protocol/tools.ts';
import { GatewayError } from '../../errors.ts';
import type { App } from '../app.ts';
import type { Tools } from '../tools/tools.ts';
import { callingOf, type Desks, type Names } from './desk.ts';
import { DesktopFailure } from './problem.ts';
import { listWindows, Window, Windows } from './windows.ts';

const NAMES: Names = { behind: 'desktop_runtime_failed', notFound: 'window_not_found' };

const OneWindow = z.object({ sessionId: z.string(), windowId: WindowId });

export interface WindowRoutesDeps {
  desks: Desks;
  tools: Tools;
}

export function addWindowRoutes(app: App, { desks, tools }: WindowRoutesDeps): void {
  const config = { allow: 'member' } as const;
  const schema = { hide: true, params: OneWindow, response: { 200: Window } };

  app.get(
    '/desktop/windows',
    { config, schema: { hide: true, response: { 200: z.object({ windows: Windows }) } } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      return { windows: await desks.ask(calling, NAMES, () => listWindows(tools, calling)) };
    },
  );
  app.get(
    '/desktop/windows/focused',
    { config, schema: { hide: true, response: { 200: Window } } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { access, signal } = calling;
      const { window } = await desks.ask(calling, NAMES, () => tools.call(access, 'findFocusedWindow', {}, { signal }));
      if (window) return window;
      throw new DesktopFailure('no_focused_window', new GatewayError('NOT_FOUND', 'keys go to no window now'));
    },
  );

  app.post('/desktop/windows/:windowId/focus', { config, schema }, async (request, reply) => {
    const calling = callingOf(request, reply);
    const { windowId: id } = request.params;
    return await desks.drive(calling, NAMES, (signal) => tools.call(calling.access, 'focusWindow', { id }, { signal }));
  });
  app.post(
    '/desktop/windows/:windowId/move',
    { config, schema: { ...schema, body: WindowPlace } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const place = { id: request.params.windowId, ...request.body };
      return await desks.drive(calling, NAMES, (signal) => tools.call(calling.access, 'moveWindow', place, { signal }));
    },
  );
  app.post(
    '/desktop/windows/:windowId/resize',
    { config, schema: { ...schema, body: WindowSize } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const size = { id: request.params.windowId, ...request.body };
      return await desks.drive(calling, NAMES, (signal) =>
        tools.call(calling.access, 'resizeWindow', size, { signal }),
      );
    },
  );
}
