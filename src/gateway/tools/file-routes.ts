import { Readable } from 'node:stream';
import { z } from 'zod';
import { Id } from '../../protocol/session.ts';
import { FileEntry, FilePath } from '../../protocol/tools.ts';
import type { App, ZodTypes } from '../app.ts';
import { actorOf, type Principal } from '../auth.ts';
import { untilGone } from '../calls.ts';
import { controllerOf } from './rights.ts';
import type { ToolRouteDeps } from './routes.ts';

/** One file that goes up; a longer one is answered with 413. */
const FILE_MAX_BYTES = 1024 * 1024 * 1024;

const Params = z.object({ sessionId: Id, '*': FilePath });

/** Files of a session's home, up and down. They are no part of who drives: nothing on the screen changes by them. */
export async function addFileRoutes(app: App, { tools, audit }: Pick<ToolRouteDeps, 'tools' | 'audit'>): Promise<void> {
  const url = '/api/v1/sessions/:sessionId/files/*';
  const tags = ['desktop'];
  const config = { allow: 'member' } as const;

  await app.register(async (plugin) => {
    const scope = plugin.withTypeProvider<ZodTypes>();
    // Bytes are bytes, whatever they are said to be; they are passed on and never held.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

    scope.get(
      url,
      {
        config,
        schema: {
          tags,
          summary:
            "A file of the session's home in its bytes; with a slash at its end, or none, a folder's list as JSON",
          params: Params,
          response: {
            200: z.unknown().describe('Bytes; of a folder, its `entries`, and with `isWhole` whether these are all'),
          },
        },
      },
      async ({ principal, params, id: requestId }, reply) => {
        const access = controllerOf(principal);
        const signal = untilGone(reply);
        const path = params['*'];
        if (path === '' || path.endsWith('/')) {
          return await tools.call(access, 'listFolder', { path: path.slice(0, -1) }, { signal });
        }
        const { type, length, body } = await tools.call(access, 'readFile', { path }, { signal });
        record('file.read', { principal, params, requestId });
        if (length !== undefined) reply.header('content-length', length);
        // A page of ours must never run what lies in a session.
        return reply.type(type).header('content-disposition', 'attachment').send(body);
      },
    );

    scope.put(
      url,
      {
        config,
        bodyLimit: Number.MAX_SAFE_INTEGER,
        schema: {
          tags,
          summary: "Put the body's bytes into a file of the session's home; folders are made where they are missing",
          params: Params,
          response: { 200: FileEntry },
        },
      },
      async ({ principal, params, body, id: requestId }, reply) => {
        const upload = { body: body instanceof Readable ? body : Readable.from([]), maxBytes: FILE_MAX_BYTES };
        const entry = await tools.call(
          controllerOf(principal),
          'writeFile',
          { path: params['*'] },
          { signal: untilGone(reply), upload },
        );
        record('file.written', { principal, params, requestId });
        return entry;
      },
    );

    scope.delete(
      url,
      { config, schema: { tags, summary: "Remove a file, or an empty folder, of the session's home", params: Params } },
      async ({ principal, params, id: requestId }, reply) => {
        const path = params['*'].replace(/\/$/, '');
        await tools.call(controllerOf(principal), 'removeFile', { path }, { signal: untilGone(reply) });
        record('file.removed', { principal, params, requestId });
        return reply.code(204).send();
      },
    );
  });

  function record(
    action: string,
    { principal, params, requestId }: { principal: Principal; params: z.infer<typeof Params>; requestId: string },
  ): void {
    const target = `session:${params.sessionId}`;
    audit.record({ actor: actorOf(principal), action, target, detail: { path: params['*'] }, requestId });
  }
}
