import type { Role } from '../../protocol/session.ts';
import { GatewayError } from '../../errors.ts';
import { hashSecret, newAccessId, newAccessToken } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import type { AccessRow } from '../store/tables.ts';

/** Accesses of one session, revoked ones too; more are refused with CONFLICT. */
const ACCESSES_MAX_PER_SESSION = 1000;

export interface Grant {
  role: Role;
  ttlSeconds: number;
  label: string;
}

/** Who may join which session: made, verified and revoked here. Ending live logins is the caller's part. */
export class Accesses {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The token is in the answer and nowhere else. @throws GatewayError CONFLICT */
  async grant(sessionId: string, { role, ttlSeconds, label }: Grant): Promise<{ access: AccessRow; token: string }> {
    if ((await this.#store.accesses.count(sessionId)) >= ACCESSES_MAX_PER_SESSION)
      throw new GatewayError(
        'CONFLICT',
        `session ${sessionId} has had ${ACCESSES_MAX_PER_SESSION} accesses, as many as one may`,
      );
    const token = newAccessToken();
    const access: AccessRow = {
      id: newAccessId(),
      session_id: sessionId,
      role,
      label,
      token_hash: hashSecret(token),
      created_at: new Date().toISOString(),
      expires_at: new Date(Date.now() + ttlSeconds * 1000).toISOString(),
      revoked_at: null,
    };
    await this.#store.accesses.add(access);
    return { access, token };
  }

  list(sessionId: string): Promise<AccessRow[]> {
    return this.#store.accesses.list(sessionId, ACCESSES_MAX_PER_SESSION);
  }

  /** The ids of those that open the session now. */
  async listValid(sessionId: string): Promise<Set<string>> {
    const valid = (await this.list(sessionId)).filter(
      (access) => access.revoked_at === null && Date.parse(access.expires_at) > Date.now(),
    );
    return new Set(valid.map(({ id }) => id));
  }

  /** Idempotent. @throws GatewayError NOT_FOUND */
  async revoke(sessionId: string, accessId: string): Promise<void> {
    const outcome = await this.#store.accesses.revoke(sessionId, accessId, new Date().toISOString());
    if (outcome === 'missing') throw new GatewayError('NOT_FOUND', `session ${sessionId} has no access ${accessId}`);
  }

  /**
   * The access that the token stands for, if it opens this session now.
   * @throws GatewayError UNAUTHENTICATED | FORBIDDEN | ACCESS_REVOKED | ACCESS_EXPIRED
   */
  async verify(token: string, sessionId: string): Promise<AccessRow> {
    // Found by its hash: how long the database takes tells nothing of the token itself.
    const access = await this.#store.accesses.findByTokenHash(hashSecret(token));
    if (!access) throw new GatewayError('UNAUTHENTICATED', 'the access token is not one of this gateway');
    if (access.session_id !== sessionId) throw new GatewayError('FORBIDDEN', 'the access token is for another session');
    if (access.revoked_at !== null)
      throw new GatewayError('ACCESS_REVOKED', 'this access was revoked; ask for a new one');
    if (Date.parse(access.expires_at) <= Date.now())
      throw new GatewayError('ACCESS_EXPIRED', `this access expired at ${access.expires_at}; ask for a new one`);
    return access;
  }
}
