import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { Id } from '../protocol/session.ts';
import type { App } from './app.ts';
import { renderDocs } from './docs-page.ts';
import { html, page, STYLE } from './html.ts';

export interface PagesOptions {
  /** Holds view.html and what it loads. */
  viewerDir: string;
}

const config = { allow: 'public' } as const;
const schema = { hide: true };

/** The viewer, and a page for VNC alone. */
const VIEWS = [
  ['/view/:sessionId', 'view.html'],
  ['/view/:sessionId/vnc', 'vnc-view.html'],
] as const;

/** The few pages that a person sees: the viewer, the front door, the API's description. */
export async function addPages(app: App, { viewerDir }: PagesOptions): Promise<void> {
  await app.register(fastifyStatic, {
    root: viewerDir,
    serve: false,
    // Asked every time and answered 304 while it is unchanged: a new version is there at the next load.
    cacheControl: false,
    etag: true,
    dotfiles: 'deny',
  });
  for (const [path, file] of VIEWS) {
    app.get(path, { config, schema: { ...schema, params: z.object({ sessionId: Id }) } }, async (_request, reply) => {
      if (!existsSync(join(viewerDir, file)))
        throw new GatewayError('NOT_FOUND', 'the viewer is not built; run "npm run build:viewer"');
      return reply.header('cache-control', 'no-cache').sendFile(file);
    });
  }
  app.get('/assets/*', { config, schema }, async (request, reply) => {
    const { '*': path } = z.object({ '*': z.string() }).parse(request.params);
    return reply.header('cache-control', 'no-cache').sendFile(path);
  });
  app.get('/openapi.json', { config, schema }, async () => app.swagger());
  app.get('/docs', { config, schema }, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(renderDocs(app.swagger())),
  );
  app.get('/pages.css', { config, schema }, async (_request, reply) =>
    reply.type('text/css; charset=utf-8').send(STYLE),
  );
  app.get('/', { config, schema }, async (_request, reply) => reply.type('text/html; charset=utf-8').send(FRONT_PAGE));
}

const FRONT_PAGE = page(
  'nekogate',
  html`<h1>nekogate</h1>
    <p>
      This gateway streams Linux desktops to browsers over WebRTC. To join one, open the address that you were given.
    </p>
    <ul>
      <li><a href="/docs">The API</a>, and <a href="/openapi.json">its description for programs</a></li>
      <li><a href="/healthz">Alive</a> and <a href="/readyz">ready</a></li>
    </ul>`,
);
