import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import { callAt } from '../../deadline.ts';
import type { AccessRow } from '../store/tables.ts';
import { Login, type Coming } from './login.ts';

/** Clients joined or joining at once by one access, and in one session; more are refused with LOGIN_LIMIT. */
const LOGINS_MAX_PER_ACCESS = 16;
const LOGINS_MAX_PER_SESSION = 64;

/** A program that drives a session, or that gets the controls again once a person lets go. */
export interface DrivingProgram {
  /** neko's name of its login. */
  id: string;
  name: string;
  state: string;
  until: string;
}

export interface LoginsOptions {
  keepAliveMs: number;
  log: Logger;
  /** Told when a client has come into a session or gone. */
  onChange?: (sessionId: string) => void;
}

/** The clients of this gateway, each from its reservation to its end; owns them. */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #logins = new Set<Login>();
  /** Sessions whose clients were told that they are paused. */
  readonly #paused = new Set<string>();
  /** Sessions where programs have to do with the controls. */
  readonly #programs = new Map<string, DrivingProgram[]>();
  #stopped = false;

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /**
   * Counts a client in, before anything of it is awaited further: what ends accesses and sessions meets it from now on. A client
   * that has the claimed login already is told LOGIN_RESUMED. @throws GatewayError LOGIN_LIMIT | FORBIDDEN | SHUTTING_DOWN
   */
  reserve(access: AccessRow, coming: Coming, caller: { address: string; requestId: string }): Login {
    if (this.#stopped) throw new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down');
    const older = this.#find(coming.loginId);
    if (older && older.access.id !== access.id)
      throw new GatewayError('FORBIDDEN', 'the login to resume belongs to another access');
    const inSession = this.list(access.session_id).filter((login) => login !== older);
    if (inSession.length >= LOGINS_MAX_PER_SESSION)
      throw new GatewayError('LOGIN_LIMIT', `${LOGINS_MAX_PER_SESSION} clients are in this session, as many as may be`);
    if (inSession.filter((login) => login.access.id === access.id).length >= LOGINS_MAX_PER_ACCESS)
      throw new GatewayError(
        'LOGIN_LIMIT',
        `${LOGINS_MAX_PER_ACCESS} clients use this access now, as many as may; close one`,
      );
    older?.fail(new GatewayError('LOGIN_RESUMED', 'this login goes on in another connection'));
    const login = new Login({ access, ...coming, ...caller, ...this.#options });
    this.#logins.add(login);
    this.#options.onChange?.(access.session_id);
    const endExpiry = callAt(access.expires_at, () =>
      login.fail(new GatewayError('ACCESS_EXPIRED', `this access expired at ${access.expires_at}`)),
    );
    void login.ended.then(() => {
      endExpiry();
      this.#logins.delete(login);
      this.#options.onChange?.(access.session_id);
    });
    return login;
  }

  get count(): number {
    return this.#logins.size;
  }

  /** Those of them that came by VNC. */
  get vncCount(): number {
    return [...this.#logins].filter(({ client }) => client === 'vnc').length;
  }

  list(sessionId: string): Login[] {
    return [...this.#logins].filter((login) => login.access.session_id === sessionId);
  }

  /** The sessions that somebody is in. */
  get sessionIds(): Set<string> {
    return new Set([...this.#logins].map(({ access }) => access.session_id));
  }

  /** The session is frozen, or goes on: who is in it stays, and is told. */
  setPaused(sessionId: string, isPaused: boolean): void {
    if (this.#paused.has(sessionId) === isPaused) return;
    if (isPaused) this.#paused.add(sessionId);
    else this.#paused.delete(sessionId);
    const payload = { state: isPaused ? 'paused' : 'running' };
    for (const login of this.list(sessionId)) login.tell('gateway/session', payload);
  }

  /** Programs that drive this session, or wait for a person to let go, are others: who is in it is told. */
  setPrograms(sessionId: string, programs: DrivingProgram[]): void {
    if (programs.length === 0 && !this.#programs.delete(sessionId)) return;
    if (programs.length > 0) this.#programs.set(sessionId, programs);
    for (const login of this.list(sessionId)) login.tell('gateway/lease', { programs });
  }

  /** Tells one who was just joined what the others in its session know. */
  greet(login: Login): void {
    const programs = this.#programs.get(login.access.session_id);
    if (programs) login.tell('gateway/lease', { programs });
  }

  endAccess(accessId: string): void {
    const failure = new GatewayError('ACCESS_REVOKED', 'this access was revoked');
    for (const login of this.#logins) if (login.access.id === accessId) login.fail(failure);
  }

  endSession(sessionId: string, failure: GatewayError): void {
    this.#paused.delete(sessionId);
    for (const login of this.list(sessionId)) login.fail(failure);
  }

  /** False when no client of this gateway has this login now. */
  kick(sessionId: string, loginId: string): boolean {
    const login = this.#find(loginId);
    if (login?.access.session_id !== sessionId) return false;
    login.fail(new GatewayError('KICKED', 'an owner of this session ended this connection'));
    return true;
  }

  /** Tells every client SHUTTING_DOWN and takes no more; resolves once their sockets are gone. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const logins = [...this.#logins];
    const failure = new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down; connect again in a moment');
    for (const login of logins) login.fail(failure);
    await Promise.all(logins.map((login) => login.closed));
  }

  #find(loginId: string): Login | undefined {
    return [...this.#logins].find((login) => login.loginId === loginId && !login.signal.aborted);
  }
}
