import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { ClipboardOrder, Selection, TOOL_INPUT_MAX_BYTES } from '../../protocol/tools.ts';
import type { App } from '../app.ts';
import { mayDrive } from '../computer/run.ts';
import type { Tools } from '../tools/tools.ts';
import { callingOf, type Desks, type Names } from './desk.ts';

const NAMES: Names = { behind: 'clipboard_failed' };

export interface ClipboardRoutesDeps {
  desks: Desks;
  tools: Tools;
}

export function addClipboardRoutes(app: App, { desks, tools }: ClipboardRoutesDeps): void {
  const config = { allow: 'member' } as const;

  app.get(
    '/desktop/clipboard',
    {
      config,
      schema: {
        hide: true,
        querystring: z.strictObject({ selection: Selection.default('clipboard') }),
        response: { 200: z.object({ text: z.string(), selection: Selection }) },
      },
    },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { access, signal } = calling;
      const { selection } = request.query;
      if (!mayDrive(access)) throw new GatewayError('FORBIDDEN', `role ${access.role} may not read the clipboard`);
      const { text } = await desks.ask(calling, NAMES, () =>
        tools.call(access, 'readClipboard', { selection }, { signal }),
      );
      return { text: text ?? '', selection };
    },
  );

  app.post(
    '/desktop/clipboard',
    {
      config,
      bodyLimit: TOOL_INPUT_MAX_BYTES,
      schema: {
        hide: true,
        body: z.strictObject({ text: ClipboardOrder.shape.text, selection: Selection.or(z.literal('both')).nullish() }),
        response: { 200: z.object({ ok: z.literal(true) }) },
      },
    },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { text, selection } = request.body;
      const selections = selection === 'both' ? Selection.options : [selection ?? 'clipboard'];
      await desks.drive(calling, NAMES, async (signal) => {
        for (const one of selections)
          await tools.call(calling.access, 'writeClipboard', { selection: one, text }, { signal });
      });
      return { ok: true as const };
    },
  );
}
