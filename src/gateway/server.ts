import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import cors from '@fastify/cors';
import swagger from '@fastify/swagger';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import type { App, ZodTypes } from './app.ts';
import { bearerOf, type Auth } from './auth.ts';
import type { Metrics } from './metrics.ts';
import { OPENAPI_OPTIONS } from './openapi.ts';
import { failureOf, InvalidRequest, problemOf, PROBLEM_TYPE } from './problem.ts';
import { refuse } from './refusal.ts';
import { requestIdOf } from './request-id.ts';
import { securityHeaders } from './security-headers.ts';

/** A request's body; a longer one is answered with 413. */
const BODY_MAX_BYTES = 1024 * 1024;
/** Time to send a whole request, headers and body, for a file goes up in one; then the connection is cut. */
const REQUEST_MS = 600_000;
const HEADERS_MS = 15_000;
/** Time that the sender of a refused request has to stop; then the connection is cut. */
const LINGER_MS = 2000;
/** One path parameter; a longer one fits no route. */
const PARAM_MAX_LENGTH = 128;

export interface ServerDeps {
  auth: Auth;
  metrics: Metrics;
  log: Logger;
}

export interface ServerOptions {
  corsOrigins: readonly string[];
  frameAncestors: readonly string[];
}

/** Fastify as we use it: schemas by zod, problem+json for every failure, nobody let in by default. Routes are added by the caller. */
export async function createServer(deps: ServerDeps, options: ServerOptions): Promise<App> {
  // Fastify's own lines would show whole addresses, tokens in queries included.
  const log: FastifyBaseLogger = deps.log.child({}, { serializers: { req: () => undefined, res: () => undefined } });
  const app: App = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_MS,
    http: { headersTimeout: HEADERS_MS },
    routerOptions: { maxParamLength: PARAM_MAX_LENGTH },
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => {
      // What came was no HTTP request; a connection that broke has nobody to answer to.
      if (error.code === 'ECONNRESET') socket.destroy();
      else refuse(socket, new GatewayError('BAD_REQUEST', `not an HTTP request: ${error.code}`), randomUUID());
    },
    frameworkErrors: (error, request, reply) => {
      void sendProblem(deps, error, request, reply);
    },
  }).withTypeProvider<ZodTypes>();

  app.setValidatorCompiler(
    ({ schema }) =>
      (value) =>
        validate(schema, value),
  );
  app.setSerializerCompiler(
    ({ schema }) =>
      (value) =>
        serialize(schema, value),
  );
  app.setErrorHandler((error, request, reply) => sendProblem(deps, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      deps,
      new GatewayError('NOT_FOUND', `nothing is served at ${request.method} ${pathOf(request)}`),
      request,
      reply,
    ),
  );

  const headers = securityHeaders(options.frameAncestors);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers).header('x-request-id', request.id);
  });
  if (options.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: [...options.corsOrigins],
      // neko's own client asks for it with every call. No cookie of ours exists that it could carry.
      credentials: true,
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'x-request-id'],
      exposedHeaders: ['x-request-id'],
      maxAge: 600,
    });
  }
  addAuthorization(app, deps.auth);
  addRequestLog(app, deps);
  await app.register(swagger, OPENAPI_OPTIONS);
  return app;
}

function addAuthorization(app: App, auth: Auth): void {
  app.decorateRequest('principal');
  app.addHook('onRequest', async (request) => {
    if (request.is404) return;
    const { allow = 'admin', token } = request.routeOptions.config;
    request.principal = await auth.authorize(allow, {
      bearer: bearerOf(request.headers) ?? (token === 'query' ? tokenInQuery(request) : undefined),
      sessionId: z.object({ sessionId: z.string() }).safeParse(request.params).data?.sessionId,
      address: request.ip,
      requestId: request.id,
    });
  });
}

function tokenInQuery({ query }: FastifyRequest): string | undefined {
  return z.object({ token: z.string() }).safeParse(query).data?.token;
}

function addRequestLog(app: App, { metrics, log }: ServerDeps): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, id: requestId } = request;
    const seconds = reply.elapsedTime / 1000;
    // The route's pattern and not its path: a label must not grow with the number of sessions.
    const route = request.routeOptions.url ?? 'none';
    metrics.httpDuration.observe({ method, route, status: String(reply.statusCode) }, seconds);
    log.debug(
      { requestId, method, path: pathOf(request), status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    );
  });
}

/** Logs a failure and answers with it, as the problem that `describe` makes of it. */
export function sendProblem(
  { log }: Pick<ServerDeps, 'log'>,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  describe: (failure: GatewayError, requestId: string) => { status: number } = problemOf,
): FastifyReply {
  const failure = failureOf(thrown);
  const problem = describe(failure, request.id);
  if (failure.code === 'INTERNAL') log.error({ err: failure, requestId: request.id }, 'a request failed');
  else
    log.info(
      { code: failure.code, reason: failure.message, requestId: request.id, path: pathOf(request) },
      'a request was refused',
    );
  readAway(request.raw);
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="nekogate"');
  // Sent as text: the route's response schema is for its success.
  return reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .header('content-type', PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .serializer((text: string) => text)
    .send(JSON.stringify(problem));
}

/** What is left of a refused request's body goes nowhere: its sender is to see the answer, and not to go on for ever. */
function readAway(request: IncomingMessage): void {
  if (request.complete) return;
  request.unpipe();
  request.resume();
  const cut = setTimeout(() => request.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(cut));
}

/** Without the query, where a token may stand. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]?.slice(0, 256) ?? '';
}

function validate(schema: unknown, value: unknown): { value: unknown } | { error: Error } {
  if (!(schema instanceof z.ZodType)) throw new TypeError("a route's schemas are zod schemas");
  const parsed = schema.safeParse(value);
  return parsed.success ? { value: parsed.data } : { error: new InvalidRequest(parsed.error) };
}

/** What the schema doesn't name is left out, so that no column slips into an answer. */
function serialize(schema: unknown, value: unknown): string {
  if (!(schema instanceof z.ZodType)) throw new TypeError("a route's schemas are zod schemas");
  return JSON.stringify(schema.parse(value));
}
