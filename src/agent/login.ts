import type { Logger } from 'pino';
import { callAt } from '../deadline.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { LoginOrder, LoginReport } from '../protocol/login.ts';
import type { Role } from '../protocol/session.ts';
import { Relay, type ClientEnd, type ClientSocket, type RelayEnd, type RelayOptions } from '../signaling/relay.ts';
import { Upstream } from '../signaling/upstream.ts';

/** What a login needs of its session's neko. */
export interface NekoLogins {
  /** Logs in under a name of its own and drops the login's privileges to the role's. */
  login(name: string, role: Role): Promise<NekoCredentials>;
  /** Ends the login; neko then ends its media too. */
  logout(token: string): Promise<void>;
  socketUrl(token: string): string;
}

export interface NekoCredentials {
  /** neko's own name of the login. */
  id: string;
  token: string;
}

/** How one client is joined to its login. */
export type AttachOptions = Omit<RelayOptions, 'log'>;

/** A login as it is kept over the death of its agent. */
export interface SavedLogin extends LoginOrder {
  since: string;
  neko: NekoCredentials;
  /** Whether it has the controls. */
  isHost: boolean;
}

export interface LoginOptions {
  sessionId: string;
  neko: NekoLogins;
  graceMs: number;
  /** Told of every change of `state` and of `saved`. */
  onChange: (login: Login) => void;
  log: Logger;
}

type State =
  | { name: 'making' }
  /** Its connection at neko is being opened, in place of the one before. */
  | { name: 'opening'; before: Upstream | undefined }
  | { name: 'live'; upstream: Upstream; relay: Relay }
  /** Nobody is connected by it: its client was lost, or has not come yet. */
  | { name: 'lost'; upstream: Upstream | undefined; until: number; endWait: () => void }
  | { name: 'ended'; failure: GatewayError };

/** Endings of a client's tunnel after which it may come back; after any other the login ends with it. */
const LOST_REASONS = new Set(['CLIENT_LOST', 'CLIENT_SILENT', 'SHUTTING_DOWN', 'AGENT_OFFLINE', 'LOGIN_RESUMED']);
/** The tunnel just broke: the gateway, or the network to it, is gone. */
const BROKEN = 1006;

/** What is told of the time that is left to one whose session is paused: it has all the time that the pause takes. */
const PAUSED_GRACE_MS = 3_600_000;

const LEFT = new GatewayError('NOT_FOUND', 'the client left');

/**
 * One login at a session's neko, from its making to its logout. It outlives its client's connection: when the client was lost, it keeps
 * its connection at neko, and so the controls, and waits for the client's return; when that doesn't come, the client
 * leaves, or the access ends, it is closed with 1000 and logged out, for neko keeps a picture running until then.
 */
export class Login {
  readonly order: LoginOrder;
  readonly since: string;
  /** Resolves once it can be used; rejects with the GatewayError why it can't. */
  readonly ready: Promise<void>;
  readonly #options: LoginOptions;
  readonly #endExpiry: () => void;
  #credentials: NekoCredentials | undefined;
  #isHost: boolean;
  #isPaused = false;
  #state: State = { name: 'making' };
  /** Attaches one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Makes a new login at neko; see `ready`. */
  static make(order: LoginOrder, options: LoginOptions): Login {
    return new Login(order, options, { since: new Date().toISOString() });
  }

  /** Takes up a login that an earlier agent made, at once, before neko gives it up; see `ready`. */
  static adopt({ since, neko, isHost, ...order }: SavedLogin, options: LoginOptions): Login {
    return new Login(order, options, { since, neko, isHost });
  }

  private constructor(
    order: LoginOrder,
    options: LoginOptions,
    made: { since: string; neko?: NekoCredentials; isHost?: boolean },
  ) {
    this.order = order;
    this.#options = options;
    this.since = made.since;
    this.#credentials = made.neko;
    this.#endExpiry = callAt(order.expiresAt, () => void this.end(expired(order)));
    this.#isHost = made.isHost ?? false;
    this.ready = made.neko === undefined ? this.#make() : this.#takeUp(made.neko);
    // Who doesn't wait for it must not make its failure an unhandled one.
    this.ready.catch(() => undefined);
  }

  get sessionId(): string {
    return this.#options.sessionId;
  }

  get state(): State['name'] {
    return this.#state.name;
  }

  /** When a lost one ends; Infinity for one that is not lost. */
  get until(): number {
    return this.#state.name === 'lost' ? this.#state.until : Infinity;
  }

  /** For neko's HTTP API; never leaves the host. @throws GatewayError when it is not ready */
  get token(): string {
    if (!this.#credentials || this.#state.name === 'ended') throw this.#failure();
    return this.#credentials.token;
  }

  /** What to keep of it; undefined when there is nothing at neko. */
  get saved(): SavedLogin | undefined {
    if (!this.#credentials || this.#state.name === 'ended') return undefined;
    return { ...this.order, since: this.since, neko: this.#credentials, isHost: this.#isHost };
  }

  get report(): LoginReport {
    const { loginId, accessId, role, label } = this.order;
    const report = { sessionId: this.sessionId, loginId, accessId, role, label, since: this.since };
    const state = this.#state;
    if (state.name === 'ended') return { ...report, state: 'ended' };
    // One that has had no connection yet is used by HTTP calls, or about to get one.
    if (state.name !== 'lost' || !state.upstream) return { ...report, state: 'live' };
    return { ...report, state: 'lost', leftMs: Math.max(0, Math.round(state.until - performance.now())) };
  }

  /**
   * Joins a client to it, in place of one that is there, which is told LOGIN_RESUMED. Resolves when the client can talk.
   * @throws GatewayError why it can't; the client is still to be told then
   */
  attach(client: ClientSocket, options: AttachOptions): Promise<void> {
    const attached = this.#turn.then(() => this.#attach(client, options));
    this.#turn = attached.catch(() => undefined);
    return attached;
  }

  /** Somebody uses it without a connection: the wait for one begins anew. */
  touch(): void {
    if (this.#state.name === 'lost') this.#wait(this.#state.upstream);
  }

  /** neko is frozen, or goes on: its silence is no loss meanwhile. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    const state = this.#state;
    if (state.name === 'live' || state.name === 'lost') state.upstream?.expectAnswers(!isPaused);
    // Nobody can come back to it meanwhile, so its time does not run either.
    if (state.name === 'lost') this.#wait(state.upstream);
  }

  /** Its client is gone, but expected back within the grace. No effect on one that is not live. */
  loseConnection(): void {
    if (this.#state.name !== 'live') return;
    const { upstream } = this.#state;
    upstream.hold();
    this.#wait(upstream);
  }

  /** Its client, if there is one, is told why. Resolves once nothing of it is left, at neko neither. Idempotent. */
  end(failure: GatewayError): Promise<void> {
    return (this.#closing ??= this.#end(failure));
  }

  async #end(failure: GatewayError): Promise<void> {
    const state = this.#state;
    this.#set({ name: 'ended', failure });
    this.#endExpiry();
    if (state.name === 'lost') state.endWait();
    if (state.name === 'live') state.relay.close(failure);
    const upstream = state.name === 'opening' ? state.before : 'upstream' in state ? state.upstream : undefined;
    upstream?.close();
    await upstream?.closed;
    // One that is still being made is logged out by its maker.
    if (state.name === 'making') await this.ready.catch(() => undefined);
    else await this.#logout();
    if (state.name === 'live') await state.relay.closed;
  }

  async #make(): Promise<void> {
    const { neko } = this.#options;
    const { label, role, loginId } = this.order;
    try {
      this.#credentials = await neko.login(`${label || role}-${loginId.slice(0, 8)}`, role);
    } catch (thrown) {
      void this.end(toGatewayError(thrown));
      throw thrown;
    }
    if (this.#state.name === 'ended') {
      await this.#logout();
      throw this.#failure();
    }
    this.#wait(undefined);
  }

  async #takeUp({ token }: NekoCredentials): Promise<void> {
    try {
      const wasHost = this.#isHost;
      const upstream = await this.#openUpstream(token);
      // neko has waited long enough for the earlier agent's connection, and nobody has taken the controls since.
      if (wasHost && upstream.hostId === undefined) upstream.send('{"event":"control/request"}');
      upstream.hold();
      this.#wait(upstream);
    } catch (thrown) {
      void this.end(toGatewayError(thrown));
      await this.#logout();
      throw thrown;
    }
  }

  async #attach(client: ClientSocket, options: AttachOptions): Promise<void> {
    await this.ready;
    const { token } = this;
    const before = this.#release();
    this.#set({ name: 'opening', before });
    before?.yield();
    try {
      const upstream = await this.#openUpstream(token);
      const relay = new Relay(client, upstream, { ...options, log: this.#options.log });
      this.#set({ name: 'live', upstream, relay });
      void relay.ended.then((end) => this.#onRelayEnd(relay, end));
    } catch (thrown) {
      void this.end(toGatewayError(thrown));
      throw thrown;
    }
  }

  /** Takes its connection at neko from whoever has it. */
  #release(): Upstream | undefined {
    const state = this.#state;
    if (state.name === 'live') state.relay.close(new GatewayError('LOGIN_RESUMED', 'this login goes on elsewhere'));
    if (state.name === 'lost') state.endWait();
    return 'upstream' in state ? state.upstream : undefined;
  }

  /** @throws GatewayError also when it ended meanwhile */
  async #openUpstream(token: string): Promise<Upstream> {
    const upstream = await Upstream.open(this.#options.neko.socketUrl(token));
    if (this.#state.name === 'ended') {
      upstream.close();
      throw this.#failure();
    }
    upstream.onHostChange = () => this.#noteHost(upstream);
    this.#noteHost(upstream);
    void upstream.closed.then((failure) => {
      const state = this.#state;
      if ((state.name === 'live' || state.name === 'lost') && state.upstream === upstream) void this.end(failure);
    });
    return upstream;
  }

  /** Kept, since neko may free the controls before the next agent is there. */
  #noteHost({ hostId }: Upstream): void {
    const isHost = hostId !== undefined && hostId === this.#credentials?.id;
    if (isHost === this.#isHost) return;
    this.#isHost = isHost;
    this.#options.onChange(this);
  }

  #wait(upstream: Upstream | undefined): void {
    if (this.#state.name === 'lost') this.#state.endWait();
    const graceMs = this.#isPaused ? PAUSED_GRACE_MS : this.#options.graceMs;
    const timer = this.#isPaused ? undefined : setTimeout(() => void this.end(LEFT), graceMs);
    const until = performance.now() + graceMs;
    this.#set({ name: 'lost', upstream, until, endWait: () => clearTimeout(timer) });
  }

  #onRelayEnd(relay: Relay, end: RelayEnd): void {
    if (this.#state.name !== 'live' || this.#state.relay !== relay) return;
    if (end.by === 'relay') void this.end(end.failure);
    else if (isLost(end.end)) this.loseConnection();
    else void this.end(LEFT);
  }

  async #logout(): Promise<void> {
    if (!this.#credentials) return;
    const { neko, log } = this.#options;
    await neko
      .logout(this.#credentials.token)
      .catch((error: unknown) => log.warn({ err: error }, 'logging out of neko failed'));
  }

  #set(state: State): void {
    this.#state = state;
    this.#options.onChange(this);
  }

  #failure(): GatewayError {
    return this.#state.name === 'ended' ? this.#state.failure : new GatewayError('CONFLICT', 'the login is not ready');
  }
}

function isLost({ code, reason }: ClientEnd): boolean {
  return code === BROKEN || LOST_REASONS.has(reason);
}

function expired({ expiresAt }: LoginOrder): GatewayError {
  return new GatewayError('ACCESS_EXPIRED', `this access expired at ${expiresAt}`);
}
