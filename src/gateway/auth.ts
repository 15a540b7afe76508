import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { Accesses } from './access/accesses.ts';
import type { Audit } from './audit.ts';
import type { FailureLimiter } from './failure-limiter.ts';
import { hashSecret, isSecret } from './secrets.ts';
import type { AccessRow } from './store/tables.ts';

/** Who may call a route: anybody; the administrator; who holds any access to the session in the path; that session's owners and the administrator. */
export type Allow = 'public' | 'admin' | 'member' | 'owner';

export type Principal = { kind: 'anonymous' } | { kind: 'admin' } | { kind: 'access'; access: AccessRow };

export interface Call {
  bearer: string | undefined;
  /** From the path, where it names one. */
  sessionId: string | undefined;
  address: string;
  requestId: string;
}

export interface AuthDeps {
  adminToken: string;
  accesses: Accesses;
  limiter: FailureLimiter;
  audit: Audit;
}

/** Longer than any secret of ours. */
const BEARER_MAX_LENGTH = 256;

export function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  const match = /^Bearer +([\w.~+/=-]+) *$/i.exec(headers.authorization?.slice(0, BEARER_MAX_LENGTH) ?? '');
  return match?.[1];
}

/** For the audit: who it was, without any secret. */
export function actorOf(principal: Principal): string {
  return principal.kind === 'access' ? `access:${principal.access.id}` : principal.kind;
}

/** Decides who calls, and whether that one may. */
export class Auth {
  readonly #deps: AuthDeps;
  readonly #adminHash: string;

  constructor(deps: AuthDeps) {
    this.#deps = deps;
    this.#adminHash = hashSecret(deps.adminToken);
  }

  /** @throws GatewayError UNAUTHENTICATED | FORBIDDEN | ACCESS_EXPIRED | ACCESS_REVOKED | TOO_MANY_REQUESTS */
  async authorize(allow: Allow, call: Call): Promise<Principal> {
    if (allow === 'public') return { kind: 'anonymous' };
    if (call.bearer === undefined)
      throw new GatewayError('UNAUTHENTICATED', 'this needs a token: send it as "Authorization: Bearer TOKEN"');
    if (isSecret(call.bearer, this.#adminHash)) {
      if (allow === 'member')
        throw new GatewayError('FORBIDDEN', "this asks for an access token, not the administrator's");
      return { kind: 'admin' };
    }
    if (allow === 'admin' || call.sessionId === undefined)
      throw this.refuse(
        call,
        new GatewayError('UNAUTHENTICATED', "this needs the administrator's token, and what was sent is not it"),
      );
    const access = await this.authorizeAccess(call.bearer, call.sessionId, call);
    if (allow === 'owner' && access.role !== 'owner')
      throw this.refuse(
        call,
        new GatewayError('FORBIDDEN', `role ${access.role} may not do this; an owner of the session may`),
      );
    return { kind: 'access', access };
  }

  /** As `authorize`, for an access token by itself. */
  async authorizeAccess(
    token: string,
    sessionId: string,
    call: Omit<Call, 'bearer' | 'sessionId'>,
  ): Promise<AccessRow> {
    try {
      return await this.#deps.accesses.verify(token, sessionId);
    } catch (error) {
      throw error instanceof GatewayError ? this.refuse({ ...call, sessionId }, error) : error;
    }
  }

  /**
   * Counts and audits a refusal, and returns what to throw. Past the limit nothing is audited, and who shows unknown secrets is
   * told TOO_MANY_REQUESTS; who shows one that was good once is still told what became of it, or its viewer would try for ever.
   */
  refuse(call: Omit<Call, 'bearer'>, error: GatewayError): GatewayError {
    if (!this.#deps.limiter.allow(call.address)) {
      const isUnknown = error.code === 'UNAUTHENTICATED' || error.code === 'TICKET_REFUSED';
      if (!isUnknown) return error;
      return new GatewayError('TOO_MANY_REQUESTS', 'too many wrong tokens from this address; try again in a minute');
    }
    this.#deps.audit.record({
      actor: 'anonymous',
      action: 'call.refused',
      target: call.sessionId === undefined ? 'gateway' : `session:${call.sessionId.slice(0, 64)}`,
      outcome: error.code,
      detail: { address: call.address },
      requestId: call.requestId,
    });
    return error;
  }
}
