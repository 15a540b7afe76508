import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What a caller sent as X-Request-Id where it is fit for a log line, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID();
}
