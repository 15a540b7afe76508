// What calls over HTTP have in common.
import { GatewayError } from '../errors.ts';
import type { Principal } from './auth.ts';
import type { AccessRow } from './store/tables.ts';

/** Of a call that only clients of a session make. @throws GatewayError FORBIDDEN */
export function accessOf(principal: Principal): AccessRow {
  if (principal.kind !== 'access') throw new GatewayError('FORBIDDEN', 'this asks for an access token');
  return principal.access;
}

/** Aborted when the caller is gone before its answer. */
export function untilGone({ raw }: { raw: NodeJS.EventEmitter }): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => gone.abort(new GatewayError('CLIENT_SILENT', 'the caller is gone')));
  return gone.signal;
}
