// Several calls in one. neko's internal/http/batch.go.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ApiError, readJson } from './api.ts';

// As many as a page needs at its start many times over; more is answered with 500, like anything else that is no batch.
const CALLS_MAX = 1000;
const PATH_MAX_LENGTH = 4096;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const;
const EXCLUDED = ['/api/batch', '/api/ws'];

const Batch = z
  .array(
    z.looseObject({
      path: z.string().max(PATH_MAX_LENGTH).default(''),
      method: z.string().max(64).default(''),
      body: z.unknown().optional(),
    }),
  )
  .max(CALLS_MAX)
  .nullable();
type BatchCall = NonNullable<z.infer<typeof Batch>>[number];

/** Each call is made with the headers of the batch, one after the other. */
export function addBatchRoute(app: FastifyInstance): void {
  app.post('/api/batch', async (request, reply) => {
    const batch = Batch.safeParse(readJson(request));
    if (!batch.success) throw new ApiError(500, 'Internal Server Error', { cause: batch.error });
    const answers: unknown[] = [];
    for (const call of batch.data ?? []) {
      const { path, method } = call;
      answers.push({ path, method, ...(await answer(app, request, call)) });
    }
    await reply.header('content-type', 'application/json').send(JSON.stringify(answers));
  });
}

async function answer(
  app: FastifyInstance,
  request: FastifyRequest,
  call: BatchCall,
): Promise<{ status: number; body?: unknown }> {
  if (!call.path.startsWith('/api')) return refuse('this path is not allowed in batch requests');
  if (EXCLUDED.includes(call.path)) return refuse('this path is excluded from batch requests');
  const method = METHODS.find((one) => one === (call.method || 'GET').toUpperCase());
  if (method === undefined) throw new ApiError(500, 'Internal Server Error');
  const { 'content-length': _length, 'transfer-encoding': _encoding, ...headers } = request.headers;
  const response = await app.inject({
    method,
    url: call.path,
    headers,
    ...(call.body === undefined ? {} : { payload: JSON.stringify(call.body) }),
  });
  const isJson = String(response.headers['content-type']).includes('json');
  return { status: response.statusCode, ...(isJson ? { body: response.json<unknown>() } : {}) };
}

function refuse(message: string): { status: number; body: unknown } {
  return { status: 400, body: { code: 400, message } };
}
