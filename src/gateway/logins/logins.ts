import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import type { AccessRow } from '../store/tables.ts';
import { Login } from './login.ts';

/** Clients joined or joining at once by one access, and in one session; more are refused with LOGIN_LIMIT. */
const LOGINS_MAX_PER_ACCESS = 16;
const LOGINS_MAX_PER_SESSION = 64;
/** setTimeout fires at once for anything longer; so a longer wait is cut into pieces. */
const TIMER_MAX_MS = 2_000_000_000;

export interface LoginsOptions {
  keepAliveMs: number;
  log: Logger;
}

/** The clients of this gateway, each from its reservation to its end; owns them. */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #logins = new Map<string, Login>();
  #stopped = false;

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /**
   * Counts a client in, before anything of it is awaited further: what ends accesses and sessions meets it from now on.
   * @throws GatewayError LOGIN_LIMIT | SHUTTING_DOWN
   */
  reserve(access: AccessRow, caller: { address: string; requestId: string }): Login {
    if (this.#stopped) throw new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down');
    const inSession = this.list(access.session_id);
    if (inSession.length >= LOGINS_MAX_PER_SESSION)
      throw new GatewayError('LOGIN_LIMIT', `${LOGINS_MAX_PER_SESSION} clients are in this session, as many as may be`);
    if (inSession.filter((login) => login.access.id === access.id).length >= LOGINS_MAX_PER_ACCESS)
      throw new GatewayError(
        'LOGIN_LIMIT',
        `${LOGINS_MAX_PER_ACCESS} clients use this access now, as many as may; close one`,
      );
    const login = new Login({ access, ...caller, ...this.#options });
    this.#logins.set(login.loginId, login);
    const endExpiry = this.#armExpiry(login);
    void login.ended.then(() => {
      endExpiry();
      this.#logins.delete(login.loginId);
    });
    return login;
  }

  get count(): number {
    return this.#logins.size;
  }

  list(sessionId: string): Login[] {
    return [...this.#logins.values()].filter((login) => login.access.session_id === sessionId);
  }

  endAccess(accessId: string): void {
    const failure = new GatewayError('ACCESS_REVOKED', 'this access was revoked');
    for (const login of this.#logins.values()) if (login.access.id === accessId) login.fail(failure);
  }

  endSession(sessionId: string, failure: GatewayError): void {
    for (const login of this.list(sessionId)) login.fail(failure);
  }

  /** @throws GatewayError NOT_FOUND */
  kick(sessionId: string, loginId: string): void {
    const login = this.#logins.get(loginId);
    if (login?.access.session_id !== sessionId)
      throw new GatewayError('NOT_FOUND', `session ${sessionId} has no login ${loginId}; it may have ended`);
    login.fail(new GatewayError('KICKED', 'an owner of this session ended this connection'));
  }

  /** Tells every client SHUTTING_DOWN and takes no more; resolves once their sockets are gone. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const logins = [...this.#logins.values()];
    const failure = new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down; connect again in a moment');
    for (const login of logins) login.fail(failure);
    await Promise.all(logins.map((login) => login.closed));
  }

  #armExpiry(login: Login): () => void {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = Date.parse(login.access.expires_at) - Date.now();
      if (leftMs > 0) timer = setTimeout(arm, Math.min(leftMs, TIMER_MAX_MS));
      else login.fail(new GatewayError('ACCESS_EXPIRED', `this access expired at ${login.access.expires_at}`));
    };
    timer = setTimeout(arm, 0);
    return () => clearTimeout(timer);
  }
}
