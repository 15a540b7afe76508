import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'undici';
import type { z } from 'zod';
import type { Environment } from '../config.ts';
import { GatewayError, isFailureCode, messageOf } from '../errors.ts';
import { Problem } from '../protocol/api.ts';

const Refusal = Problem.pick({ code: true, detail: true });

export type CallApi = <Reply>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  schema: z.ZodType<Reply>,
  body?: unknown,
) => Promise<Reply>;

/** The gateway's API as its administrator. A problem that the gateway tells becomes a GatewayError with its code. */
export function connectApi(gatewayUrl: string, adminToken: string, signal?: AbortSignal): CallApi {
  return async (method, path, schema, body) => {
    const response = await request(new URL(path, gatewayUrl), {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      // A session's start may take a while to answer: the signal ends it, not a clock.
      headersTimeout: 0,
      signal: signal ?? null,
    }).catch((cause: unknown) => {
      throw new GatewayError('INTERNAL', `the gateway at ${gatewayUrl} does not answer: ${messageOf(cause)}`, {
        cause,
      });
    });
    const reply: unknown = response.statusCode === 204 ? undefined : await response.body.json();
    if (response.statusCode < 400) return schema.parse(reply);
    const problem = Refusal.parse(reply);
    throw new GatewayError(isFailureCode(problem.code) ? problem.code : 'INTERNAL', problem.detail);
  };
}

/** @throws GatewayError UNAUTHENTICATED where there is no token to be found */
export async function findAdminToken(environment: Environment): Promise<string> {
  if (environment.adminToken !== undefined) return environment.adminToken;
  const file = join(environment.dataDir, 'admin-token');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new GatewayError(
      'UNAUTHENTICATED',
      `no administrator token: ${file} can't be read; set NEKOGATE_ADMIN_TOKEN`,
      { cause },
    );
  }
}
