import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { MemberProfile, Settings } from '../../signaling/messages.ts';
import { Attendance } from './attendance.ts';
import type { Desktop } from './desktop.ts';
import { apiProfile, isSameSecret } from './members.ts';
import { applyChange, type SettingsChange } from './room-settings.ts';
import { type ServerEvent, type ServerPayload, Session, type Socket } from './session.ts';

/** More logins at once are refused: each costs memory until it logs out. */
const SESSIONS_MAX = 1000;
const TOKEN_BYTES = 48;

export interface RoomOptions {
  /** To begin with. */
  settings: Settings;
  /** The ids of the qualities, the default first. */
  videos: readonly string[];
  screencast: boolean;
  touch: boolean;
  /** With it, one comes as an administrator of the HTTP API without a login; empty: nobody does. */
  apiToken: string;
}

/** Everybody who is logged in, and who of them has the controls. Tells each of what the others see change, as neko does. */
export class Room {
  readonly startedAt = new Date();
  readonly attendance = new Attendance();
  readonly #desktop: Desktop;
  readonly #logger: Logger;
  readonly #sessions = new Map<string, Session>();
  readonly #byToken = new Map<string, Session>();
  readonly #api: Session | undefined;
  readonly #options: RoomOptions;
  readonly #settingsListeners = new Set<(now: Settings, before: Settings) => void>();
  #settings: Settings;
  #hostId: string | undefined;

  constructor(desktop: Desktop, options: RoomOptions, logger: Logger) {
    this.#desktop = desktop;
    this.#logger = logger;
    this.#options = options;
    // Nobody is there yet, and so no administrator.
    this.#settings = options.settings.control_protection
      ? { ...options.settings, locked_controls: true }
      : options.settings;
    this.#api =
      options.apiToken === '' ? undefined : new Session({ id: 'API', token: options.apiToken, profile: apiProfile() });
  }

  get settings(): Settings {
    return this.#settings;
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

  /** Whether the private mode keeps this one from seeing and driving. */
  isShutOut(session: Session): boolean {
    return this.#settings.private_mode && !session.profile.is_admin;
  }

  /** Calls `listener` after each change of the settings, until the returned function is called. */
  watchSettings(listener: (now: Settings, before: Settings) => void): () => void {
    this.#settingsListeners.add(listener);
    return () => this.#settingsListeners.delete(listener);
  }

  /** Changes the settings, tells everybody, and takes the controls and the picture from those who may not have them now. */
  changeSettings(by: Session, change: Partial<SettingsChange>): void {
    const before = this.#settings;
    const now = applyChange(before, change, this.#hasAdmin());
    this.#settings = now;
    const { host } = this;
    if (host !== undefined && !this.#mayStayHost(host, before)) this.setHost(by, undefined);
    if (now.private_mode !== before.private_mode) {
      for (const session of this.#sessions.values()) session.peer?.setPaused(this.isShutOut(session));
    }
    for (const listener of this.#settingsListeners) listener(now, before);
    this.broadcast('system/settings', { ...now, id: by.id });
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
    session.peer?.setPaused(this.isShutOut(session));
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
    this.attendance.entered(session);
    this.#sendInit(session);
    if (session.profile.is_admin) {
      await this.#sendAdmin(session, socket);
      const { locked_controls: isLocked, control_protection: isProtected } = this.#settings;
      if (isLocked && isProtected) this.changeSettings(session, { locked_controls: false });
    }
    this.#broadcastState(session);
    replaced?.destroy('connection replaced');
  }

  /** The session's connection closed as it should: the session leaves at once. */
  leave(session: Session, socket: Socket): void {
    if (session.socket !== socket) return;
    session.socket = undefined;
    session.cancelGrace();
    session.setConnected(false);
    this.attendance.left(session);
    if (this.isHost(session)) this.setHost(session, undefined);
    const { locked_controls: isLocked, control_protection: isProtected } = this.#settings;
    if (session.profile.is_admin && isProtected && !isLocked && !this.#hasAdmin()) {
      this.changeSettings(session, { locked_controls: true });
    }
    this.#broadcastState(session);
  }

  /** The session's connection broke: it leaves when nobody comes back within the grace. */
  lose(session: Session, socket: Socket): void {
    if (session.socket !== socket) return;
    session.startGrace(() => this.leave(session, socket));
    // With its data channel gone too, nobody is left to let go of what it holds down.
    if (this.isHost(session) && !session.state.is_watching) this.#desktop.input.releaseAll();
  }

  setWatching(session: Session, isWatching: boolean): void {
    session.setWatching(isWatching);
    if (!isWatching && this.isHost(session)) this.#desktop.input.releaseAll();
    this.#broadcastState(session);
  }

  /** Ends every connection and all media. */
  async close(): Promise<void> {
    const peers = this.sessions.flatMap((session) => (session.peer === undefined ? [] : [session.peer.close()]));
    for (const session of this.sessions) this.#destroySocket(session, 'connection shutdown');
    await Promise.all(peers);
  }

  #hasAdmin(): boolean {
    return this.sessions.some((session) => session.profile.is_admin && session.state.is_connected);
  }

  #mayStayHost(host: Session, before: Settings): boolean {
    if (this.isShutOut(host)) return false;
    const isNewlyLocked = this.#settings.locked_controls && !before.locked_controls;
    return host.profile.is_admin || !isNewlyLocked;
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
      settings: this.#settings,
      touch_events: this.#options.touch,
      screencast_enabled: this.#options.screencast,
      webrtc: { videos: [...this.#options.videos] },
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
