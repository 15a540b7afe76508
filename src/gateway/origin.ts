import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../errors.ts';

/**
 * Browsers don't hold WebSockets to the same origin, so a page of anywhere could open one here: only this host's own pages
 * and the named origins may. Programs send no Origin and are judged by their token alone.
 * @throws GatewayError ORIGIN_REFUSED
 */
export function checkOrigin(headers: IncomingHttpHeaders, allowed: readonly string[]): void {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes(origin)) return;
  if (host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase()) return;
  throw new GatewayError(
    'ORIGIN_REFUSED',
    `pages of ${origin.slice(0, 256)} may not open WebSockets here; name the origin with --cors-origin if they should`,
  );
}
