import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Viewer } from '../protocol/ice.ts';
import { LOGINS_MAX_PER_AGENT, type LoginOrder, type LoginReport } from '../protocol/login.ts';
import { refuseClient, type ClientSocket } from '../signaling/relay.ts';
import { Login, type AttachOptions, type LoginOptions, type NekoLogins } from './login.ts';
import type { MediaDesk } from './media.ts';
import { SavedLogins } from './saved-logins.ts';

/** Logins that wait for a lost client, for one access and in one session; beyond that the one that waits longest ends. */
const LOST_MAX_PER_ACCESS = 16;
const LOST_MAX_PER_SESSION = 64;

/** A session as its logins need it. */
export interface LoginHost {
  neko: NekoLogins & {
    /** Ends every login that neko has but those with these ids. */
    logoutOthers(ids: ReadonlySet<string>): Promise<void>;
    /** A JPEG of the screen; quality 1 to 100. */
    screenshot(quality: number): Promise<Buffer>;
  };
  /** Where its neko answers. */
  baseUrl: string;
  /** Private, and gone with the session; it outlives the agent. */
  folder: string;
}

export interface LoginTableOptions {
  graceMs: number;
  /** Finds a session that runs now. @throws GatewayError */
  hostOf: (sessionId: string) => LoginHost;
  /** Told of each login that lost its client, and then of what becomes of it. */
  onReport: (report: LoginReport) => void;
  /** Makes the clients' ICE plans. */
  media: Pick<MediaDesk, 'open' | 'used' | 'end'>;
  log: Logger;
}

/** Which of a session's logins a call is about: those of one access, or the one named. */
export interface Which {
  sessionId: string;
  accessId?: string | undefined;
  loginId?: string | undefined;
}

/** The logins at this host's sessions, by their id; owns them. What it holds is kept on disk, so that the next agent can go on with it. */
export class LoginTable {
  readonly #options: LoginTableOptions;
  readonly #logins = new Map<string, Login>();
  /** Logins that were last told as lost. */
  readonly #lost = new Set<Login>();
  readonly #saved: SavedLogins;
  #stopped = false;

  constructor(options: LoginTableOptions) {
    this.#options = options;
    this.#saved = new SavedLogins(options.log);
  }

  get count(): number {
    return this.#logins.size;
  }

  /** @throws GatewayError what a client under this order would be refused for now */
  check(sessionId: string, { loginId, accessId }: Pick<LoginOrder, 'loginId' | 'accessId'>): LoginHost {
    if (this.#stopped) throw new GatewayError('SHUTTING_DOWN', 'the agent is shutting down');
    const known = this.#logins.get(loginId);
    if (known && (known.order.accessId !== accessId || known.sessionId !== sessionId))
      throw new GatewayError('FORBIDDEN', 'this login belongs to another access');
    if (!known && this.#logins.size >= LOGINS_MAX_PER_AGENT)
      throw new GatewayError('LOGIN_LIMIT', `this host has ${LOGINS_MAX_PER_AGENT} logins, as many as it may`);
    return this.#options.hostOf(sessionId);
  }

  /**
   * The login of this order, made when it isn't there: for HTTP calls, which need no connection. Unused, it ends after the grace.
   * @throws GatewayError
   */
  async getOrCreate(sessionId: string, order: LoginOrder): Promise<Login> {
    const host = this.check(sessionId, order);
    const known = this.#logins.get(order.loginId);
    known?.touch();
    const login = known ?? this.#make(sessionId, order, host);
    await login.ready;
    return login;
  }

  /**
   * Joins a client to its login: the one that waits for it, or that it takes from an older connection of its own, or a new one under
   * that id. Resolves when the client can talk. @throws GatewayError; then the client was told and closed
   */
  async attach(sessionId: string, order: LoginOrder, client: ClientSocket, viewer: Viewer): Promise<void> {
    const { media } = this.#options;
    try {
      const host = this.check(sessionId, order);
      const rewrite = media.open(sessionId, order, viewer);
      const attachment = (resumed: boolean): AttachOptions => ({
        greeting: this.#greeting(order, resumed),
        rewrite,
        onOwnMessage: ({ payload: { rung } }) => media.used(sessionId, order.loginId, rung),
      });
      const known = this.#logins.get(order.loginId);
      if (known && (await wasAttached(known, client, attachment(true)))) return;
      const login = this.#logins.get(order.loginId) ?? this.#make(sessionId, order, host);
      await login.attach(client, attachment(false));
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      refuseClient(client.socket, failure);
      throw failure;
    }
  }

  /** Their clients are told why. Resolves once nothing is left of them. */
  async end({ sessionId, accessId, loginId }: Which, failure: GatewayError): Promise<void> {
    const ending = [...this.#logins.values()].filter(
      (login) =>
        login.sessionId === sessionId &&
        (accessId === undefined || login.order.accessId === accessId) &&
        (loginId === undefined || login.order.loginId === loginId),
    );
    await Promise.all(ending.map((login) => login.end(failure)));
  }

  /** The session's neko is frozen, or goes on; its logins stay. */
  setPaused(sessionId: string, isPaused: boolean): void {
    for (const login of this.#logins.values()) if (login.sessionId === sessionId) login.setPaused(isPaused);
  }

  /** As `end`, for all of a session that is over; its folder may go meanwhile. */
  async endSession(sessionId: string, failure: GatewayError): Promise<void> {
    const forget = this.#saved.close(sessionId);
    await this.end({ sessionId }, failure);
    forget();
  }

  /** Takes no more, and ends all; resolves once nothing is left of them. */
  async stop(failure: GatewayError): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#logins.values()].map((login) => login.end(failure)));
    await this.#saved.idle;
  }

  /**
   * Takes up what an earlier agent left of this session, at once: neko gives a connection that broke five seconds. Each login waits
   * for its client then. What neko holds beside them is ended. Never rejects.
   */
  async adopt(sessionId: string, host: LoginHost): Promise<void> {
    const { log } = this.#options;
    const saved = await this.#saved.load(host.folder);
    const logins = saved.map((one) => {
      const login = Login.adopt(one, this.#loginOptions(sessionId, host));
      this.#logins.set(one.loginId, login);
      return login;
    });
    await Promise.all(logins.map((login) => login.ready.catch(() => undefined)));
    const kept = new Set(logins.flatMap((login) => login.saved?.neko.id ?? []));
    log.info({ sessionId, logins: kept.size, of: saved.length }, 'took up the logins of an earlier agent');
    await host.neko
      .logoutOthers(kept)
      .catch((error: unknown) => log.warn({ err: error, sessionId }, 'logins that nobody knows may be left at neko'));
  }

  /** Those without a client that is connected now. */
  listDetached(): LoginReport[] {
    return [...this.#logins.values()].filter(({ state }) => state === 'lost').map(({ report }) => report);
  }

  #make(sessionId: string, order: LoginOrder, host: LoginHost): Login {
    const login = Login.make(order, this.#loginOptions(sessionId, host));
    this.#logins.set(order.loginId, login);
    return login;
  }

  #loginOptions(sessionId: string, { neko, folder }: LoginHost): LoginOptions {
    const { graceMs, log } = this.#options;
    return { sessionId, neko, graceMs, log, onChange: (login) => this.#onChange(login, folder) };
  }

  #onChange(login: Login, folder: string): void {
    const { order, sessionId, state } = login;
    // Another one may have its id by now.
    if (state === 'ended' && this.#logins.get(order.loginId) === login) {
      this.#logins.delete(order.loginId);
      this.#options.media.end(order.loginId);
    }
    const present = [...this.#logins.values()].filter((one) => one.sessionId === sessionId);
    const saved = present.flatMap((one) => one.saved ?? []);
    this.#saved.save(sessionId, folder, saved);
    this.#report(login);
    if (state === 'lost') this.#limit(login, present);
  }

  #report(login: Login): void {
    const { report } = login;
    if (report.state !== 'lost' && !this.#lost.delete(login)) return;
    if (report.state === 'lost') this.#lost.add(login);
    this.#options.onReport(report);
  }

  #limit({ order }: Login, inSession: Login[]): void {
    const lost = inSession.filter(({ state }) => state === 'lost').toSorted((one, other) => one.until - other.until);
    const ofAccess = lost.filter((login) => login.order.accessId === order.accessId);
    const [oldest] = ofAccess.length > LOST_MAX_PER_ACCESS ? ofAccess : lost.length > LOST_MAX_PER_SESSION ? lost : [];
    void oldest?.end(new GatewayError('LOGIN_LIMIT', 'too many lost clients are waited for'));
  }

  #greeting({ loginId, role, client }: LoginOrder, resumed: boolean): string | undefined {
    if (client === 'neko') return undefined;
    const payload = { loginId, role, resumed, graceMs: this.#options.graceMs };
    return JSON.stringify({ event: 'gateway/login', payload });
  }
}

/** False when the login ended before, in a way that leaves room for a new one: its client left, or neko doesn't know it any more. */
async function wasAttached(login: Login, client: ClientSocket, options: AttachOptions): Promise<boolean> {
  try {
    await login.attach(client, options);
    return true;
  } catch (thrown) {
    const { code } = toGatewayError(thrown);
    if (code === 'NOT_FOUND' || code === 'NEKO_REFUSED') return false;
    throw thrown;
  }
}
