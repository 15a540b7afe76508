import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { MemberProfile, Settings } from '../../signaling/messages.ts';
import type { Desktop } from './desktop.ts';
import { apiProfile, isSameSecret } from './members.ts';
import { type ServerEvent, type ServerPayload, Session, type Socket } from './session.ts';

/** More logins at once are refused: each costs memory until it logs out. */
const SESSIONS_MAX = 1000;
const TOKEN_BYTES = 48;

export interface RoomOptions {
  settings: Settings;
  /** With it, one comes as an administrator of the HTTP API without a login; empty: nobody does. */
  apiToken: string;
}

/** Everybody who is logged in, and who of them has the controls. Tells each of what the others see change, as neko does. */
export class Room {
  readonly settings: Settings;
  readonly startedAt = new Date();
  readonly #desktop: Desktop;
  readonly #logger: Logger;
  readonly #sessions = new Map<string, Session>();
  readonly #byToken = new Map<string, Session>();
  readonly #api: Session | undefined;
  #hostId: string | undefined;

  constructor(desktop: Desktop, options: RoomOptions, logger: Logger) {
    this.#desktop = desktop;
    this.#logger = logger;
    this.settings = options.settings;
    this.#api =
      options.apiToken === '' ? undefined : new Session({ id: 'API', token: options.apiToken, profile: apiProfile() });
  }

  get sessions(): Session[] {
    return [...this.#sessions.values()];
  }

  get host(): Session | undefined {
    return this.#hostId === undefined ? undefined : this.find(this.#hostId);
  }

  get isFull(): boolean {
    return this.#sessions.size >= SESSIONS_MAX;
  }

  find(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  findByToken(token: string): Session | undefined {
    const session = this.#byToken.get(token);
    if (session !== undefined) return session;
    return this.#api !== undefined && isSameSecret(token, this.#api.token) ? this.#api : undefined;
  }

  isHost(session: Session): boolean {
    return this.#hostId === session.id;
  }

  create(login: { id: string; profile: MemberProfile }): Session {
    const session = new Session({ ...login, token: randomBytes(TOKEN_BYTES).toString('base64url') });
    this.#sessions.set(session.id, session);
    this.#byToken.set(session.token, session);
    this.#logger.info({ session: session.id }, 'session created');
    this.broadcast('session/created', session.data);
    return session;
  }

  /** Logs it out: its connection closes, its media ends. */
  delete(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    this.#byToken.delete(session.token);
    this.disconnect(session, 'session deleted');
    this.#logger.info({ session: session.id }, 'session deleted');
    this.broadcast('session/deleted', { id: session.id });
  }

  /** Closes its connection and ends its media; the login stays good. */
  disconnect(session: Session, reason: string): void {
    this.#destroySocket(session, reason);
    void session.peer?.close();
  }

  updateProfile(session: Session, profile: MemberProfile): void {
    session.profile = profile;
    this.broadcast('session/profile', { ...profile, id: session.id });
    if (!profile.can_host && this.isHost(session)) this.setHost(session, undefined);
    const mayConnect = profile.can_connect && profile.can_login;
    if (!mayConnect || !profile.can_watch) void session.peer?.close();
    if (!mayConnect) this.#destroySocket(session, 'profile changed');
  }

  /** Gives the controls to `host`, or to nobody; `by` is who did it. What the last host held down is released. */
  setHost(by: Session, host: Session | undefined): void {
    if (this.#hostId !== undefined && this.#hostId !== host?.id) this.#desktop.input.releaseAll();
    this.#hostId = host?.id;
    this.broadcast('control/host', {
      id: by.id,
      has_host: host !== undefined,
      ...(host === undefined ? {} : { host_id: host.id }),
    });
  }

  /** Sends to everybody who is connected. */
  broadcast<E extends ServerEvent>(event: E, payload: ServerPayload<E>, except?: Session): void {
    for (const session of this.#sessions.values()) {
      if (session !== except && session.state.is_connected) session.send(event, payload);
    }
  }

  /** `socket` is now the session's connection; one that it had before is told that it was replaced. */
  async connect(session: Session, socket: Socket): Promise<void> {
    const replaced = session.socket;
    session.socket = socket;
    session.cancelGrace();
    session.setConnected(true);
    this.#sendInit(session);
    if (session.profile.is_admin) await this.#sendAdmin(session, socket);
    this.#broadcastState(session);
    replaced?.destroy('connection replaced');
  }

  /** The session's connection closed as it should: the session leaves at once. */
  leave(session: Session, socket: Socket): void {
    if (session.socket !== socket) return;
    session.socket = undefined;
    session.cancelGrace();
    session.setConnected(false);
    if (this.isHost(session)) this.setHost(session, undefined);
    this.#broadcastState(session);
  }

  /** The session's connection broke: it leaves when nobody comes back within the grace. */
  lose(session: Session, socket: Socket): void {
    if (session.socket === socket) session.startGrace(() => this.leave(session, socket));
  }

  setWatching(session: Session, isWatching: boolean): void {
    if (session.state.is_watching === isWatching) return;
    session.setWatching(isWatching);
    this.#broadcastState(session);
  }

  /** Ends every connection and all media. */
  async close(): Promise<void> {
    const peers = this.sessions.flatMap((session) => (session.peer === undefined ? [] : [session.peer.close()]));
    for (const session of this.sessions) this.#destroySocket(session, 'connection shutdown');
    await Promise.all(peers);
  }

  #destroySocket(session: Session, reason: string): void {
    const { socket } = session;
    if (socket === undefined) return;
    this.leave(session, socket);
    socket.destroy(reason);
  }

  #sendInit(session: Session): void {
    const { host } = this;
    session.send('system/init', {
      session_id: session.id,
      control_host: { id: '', has_host: host !== undefined, ...(host === undefined ? {} : { host_id: host.id }) },
      screen_size: this.#desktop.screen.size,
      sessions: Object.fromEntries(this.sessions.map((one) => [one.id, one.data])),
      settings: this.settings,
      touch_events: false,
      screencast_enabled: false,
      webrtc: { videos: ['main'] },
    });
  }

  async #sendAdmin(session: Session, socket: Socket): Promise<void> {
    const sizes = await this.#desktop.screen.configurations();
    if (session.socket === socket) {
      session.send('system/admin', { screen_sizes_list: sizes, broadcast_status: { is_active: false } });
    }
  }

  #broadcastState(session: Session): void {
    this.broadcast('session/state', { ...session.state, id: session.id });
  }
}
