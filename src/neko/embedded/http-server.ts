import { type FastifyInstance, fastify } from 'fastify';
import type { Logger } from 'pino';
import { ApiError, ApiRoutes, authenticate } from './api.ts';
import { addAbsentRoutes } from './api-absent.ts';
import { addBatchRoute } from './api-batch.ts';
import { addControlRoutes } from './api-control.ts';
import { addDesktopRoutes, type ScreencastOptions } from './api-desktop.ts';
import { addKeyboardRoutes } from './api-keyboard.ts';
import { addMembersRoutes } from './api-members.ts';
import { addLoginRoute, addSessionRoutes } from './api-session.ts';
import { addSessionsRoutes } from './api-sessions.ts';
import { addSettingsRoutes } from './api-settings.ts';
import type { RoomParts } from './client-events.ts';
import type { MemberProvider } from './members.ts';
import { SocketServer } from './socket.ts';

// A clipboard text of 1 MiB, escaped. A longer body is answered with 413.
const BODY_MAX_BYTES = 8 * 1024 * 1024;

export interface HttpOptions {
  host: string;
  port: number;
  provider: MemberProvider;
  /** The metrics page's text; undefined: no such page. */
  metrics: (() => string) | undefined;
  /** Undefined: there are no screencasts. */
  screencast: ScreencastOptions | undefined;
  /** Origins that browsers may connect from; empty: any, as with neko. */
  origins: readonly string[];
}

/** neko's HTTP API and WebSocket. */
export class HttpServer implements AsyncDisposable {
  readonly #app: FastifyInstance;
  readonly #sockets: SocketServer;
  #closing: Promise<void> | undefined;

  /** Listens. Rejects when the address cannot be had. */
  static async listen(parts: RoomParts, options: HttpOptions, logger: Logger): Promise<HttpServer> {
    const app = fastify({ bodyLimit: BODY_MAX_BYTES, forceCloseConnections: true });
    // neko reads JSON whatever the request says that it is.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.setErrorHandler(async (error, request, reply) => {
      const { status, message } = toAnswer(error);
      if (status >= 500) logger.error({ err: error, route: request.routeOptions.url }, 'request failed');
      await reply.code(status).send({ code: status, message });
    });
    const paths: RegExp[] = [];
    app.addHook('onRoute', ({ url }) => {
      paths.push(patternOf(url));
    });
    app.setNotFoundHandler(async (request, reply) => {
      const path = request.url.replace(/\?.*/s, '');
      if (paths.some((pattern) => pattern.test(path))) await reply.code(405).send();
      else await reply.code(404).type('text/plain').send('404 page not found\n');
    });
    app.get('/health', async (_request, reply) => reply.type('text/plain').send('true'));
    const { metrics } = options;
    if (metrics) {
      app.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4').send(metrics()));
    }
    addLoginRoute(app, parts.room, options.provider);
    const routes = new ApiRoutes(app, parts.room);
    addSessionRoutes(routes, parts.room);
    addSessionsRoutes(routes, parts.room);
    addControlRoutes(routes, parts.room);
    addSettingsRoutes(routes, parts.room);
    addDesktopRoutes(routes, parts.room, parts.desktop, options.screencast);
    addKeyboardRoutes(routes, parts.desktop);
    addMembersRoutes(routes, parts.room);
    addAbsentRoutes(routes);
    addBatchRoute(app);
    const sockets = new SocketServer(parts, logger);
    takeUpgrades(app, sockets, parts, options);
    await app.listen({ host: options.host, port: options.port });
    return new HttpServer(app, sockets);
  }

  private constructor(app: FastifyInstance, sockets: SocketServer) {
    this.#app = app;
    this.#sockets = sockets;
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.#app.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#sockets.close();
    await this.#app.close();
  }
}

function takeUpgrades(app: FastifyInstance, sockets: SocketServer, parts: RoomParts, options: HttpOptions): void {
  app.server.on('upgrade', (request, socket, head) => {
    const path = request.url?.replace(/\?.*/s, '');
    const { origin } = request.headers;
    const isAllowed =
      options.origins.length === 0 || options.origins.includes('*') || options.origins.includes(origin ?? '');
    if (path !== '/api/ws' || !isAllowed) {
      socket.end(`HTTP/1.1 ${isAllowed ? '404 Not Found' : '403 Forbidden'}\r\nconnection: close\r\n\r\n`);
      return;
    }
    sockets.upgrade(request, socket, head, authenticate(parts.room, request));
  });
}

/** What a route's path matches, whatever the method. */
function patternOf(url: string): RegExp {
  return new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`);
}

function toAnswer(error: unknown): { status: number; message: string } {
  if (error instanceof ApiError) return { status: error.status, message: error.message };
  // Fastify's own refusals, such as a body that is too long.
  if (
    error instanceof Error &&
    'statusCode' in error &&
    typeof error.statusCode === 'number' &&
    error.statusCode < 500
  ) {
    return { status: error.statusCode, message: error.message };
  }
  return { status: 500, message: 'Internal Server Error' };
}
