import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { GatewayError, toGatewayError, type FailureCode } from '../errors.ts';
import type { Problem } from '../protocol/api.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** A request that doesn't fit its schema. */
export class InvalidRequest extends GatewayError {
  readonly fields: { path: string; message: string }[];

  constructor(error: z.ZodError) {
    super('BAD_REQUEST', z.prettifyError(error));
    this.fields = error.issues.map((issue) => ({ path: issue.path.map(String).join('.'), message: issue.message }));
  }
}

export function problemOf(error: GatewayError, requestId: string): Problem {
  return {
    type: `urn:nekogate:problem:${error.code}`,
    title: STATUS_CODES[error.status] ?? error.code,
    status: error.status,
    detail: error.message,
    code: error.code,
    retryable: error.retryable,
    requestId,
    ...(error instanceof InvalidRequest && { fields: error.fields }),
  };
}

/** What the HTTP framework's own errors are called in our catalogue, by status. */
const CODE_OF_STATUS: Record<number, FailureCode> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  413: 'MESSAGE_TOO_BIG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  503: 'SHUTTING_DOWN',
};

/** Whatever a request's handling threw. Messages of the framework's 4xx errors are fit for callers; of anything else nothing is told. */
export function failureOf(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500;
  const code = CODE_OF_STATUS[status] ?? (status >= 400 && status < 500 ? 'BAD_REQUEST' : undefined);
  if (!code || !(thrown instanceof Error)) return toGatewayError(thrown);
  return new GatewayError(code, thrown.message, { cause: thrown });
}
