import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { LoginOrder } from '../../protocol/login.ts';
import type { AccessRow } from '../store/tables.ts';

/** The subprotocol that is answered when a client offers it; its token and its login may be offered beside it. */
export const SUBPROTOCOL = 'nekogate.v1';
const RESUME_SUBPROTOCOL = 'resume.';

const NAMESPACE = 'nekogate.plain-login';

/** Which login a client comes for, and which protocol it speaks. */
export interface LoginClaim {
  loginId: string;
  client: 'nekogate' | 'neko';
}

/**
 * A client of ours names the login that it had before, or gets a new one. One that only knows neko is its access, whatever it opens: its
 * WebSockets and its HTTP calls share one login. @throws GatewayError BAD_REQUEST
 */
export function claimLogin(offered: readonly string[], accessId: string): LoginClaim {
  if (!offered.includes(SUBPROTOCOL)) return { loginId: plainLoginId(accessId), client: 'neko' };
  const resumed = offered.find((protocol) => protocol.startsWith(RESUME_SUBPROTOCOL));
  if (resumed === undefined) return { loginId: randomUUID(), client: 'nekogate' };
  const loginId = z.uuid().safeParse(resumed.slice(RESUME_SUBPROTOCOL.length));
  if (!loginId.success)
    throw new GatewayError('BAD_REQUEST', `the subprotocol ${RESUME_SUBPROTOCOL}LOGIN names no login`);
  return { loginId: loginId.data, client: 'nekogate' };
}

/** What the agent is asked for a client of this access. */
export function orderOf({ id, role, label, expires_at }: AccessRow, claim: LoginClaim): LoginOrder {
  return { ...claim, accessId: id, role, label, expiresAt: expires_at };
}

/** As `orderOf`, for a client that only knows neko. */
export function orderOfPlainClient(access: AccessRow): LoginOrder {
  return orderOf(access, claimLogin([], access.id));
}

/** The one login that an access has for clients that know nothing of logins: a UUID of version 8 (RFC 9562) made of its id. */
export function plainLoginId(accessId: string): string {
  const bytes = createHash('sha256').update(`${NAMESPACE}:${accessId}`, 'utf8').digest().subarray(0, 16);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
