import { createHash, timingSafeEqual } from 'node:crypto';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import Fastify from 'fastify';
import { z } from 'zod';
import { joinHostPort } from '../net/address.ts';
import { createMcpServer, type McpDeps } from './server.ts';
import type { Scope } from './scope.ts';

/** One request; a longer one is answered with 413. */
const BODY_MAX_BYTES = 1024 * 1024;

export interface ListenOptions {
  host: string;
  port: number;
  /** What every request shows as its bearer token. */
  token: string;
}

/** Serves MCP by streamable HTTP at /mcp, each request by itself. */
export async function listenMcp(
  deps: McpDeps,
  scope: Scope,
  { host, port, token }: ListenOptions,
): Promise<{ url: string } & AsyncDisposable> {
  const app = Fastify({ bodyLimit: BODY_MAX_BYTES, forceCloseConnections: true });
  const wanted = digest(`Bearer ${token}`);
  app.addHook('onRequest', async (request, reply) => {
    if (timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) return;
    await reply.code(401).header('www-authenticate', 'Bearer realm="nekogate mcp"').send();
  });
  app.post('/mcp', async (request, reply) => {
    const server = createMcpServer(deps, scope);
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
    reply.raw.once('close', () => void server.close());
    await server.connect(transport);
    reply.hijack();
    await transport.handleRequest(request.raw, reply.raw, request.body);
  });
  await app.listen({ host, port });
  const address = z.object({ port: z.int() }).parse(app.server.address());
  return { url: `http://${joinHostPort(host, address.port)}/mcp`, [Symbol.asyncDispose]: () => app.close() };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
