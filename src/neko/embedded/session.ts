import type { FromServer, MemberProfile, SessionData, SessionState } from '../../signaling/messages.ts';
import type { Peer } from './peer.ts';

export type ServerEvent = FromServer['event'];
export type ServerPayload<E extends ServerEvent> = Extract<FromServer, { event: E }>['payload'];

/** A client's WebSocket, as a session sees it. */
export interface Socket {
  send(event: ServerEvent, payload: unknown): void;
  /** Says why, by system/disconnect, and closes. */
  destroy(reason: string): void;
}

// A client whose connection broke is expected back within it; until then its session counts as connected and stays host.
const LOST_GRACE_MS = 5000;

/** One login: what it may do, and how it is connected. Its room decides when it changes and tells the others. */
export class Session {
  readonly id: string;
  readonly token: string;
  profile: MemberProfile;
  state: SessionState = { is_connected: false, is_watching: false };
  socket: Socket | undefined;
  peer: Peer | undefined;
  /** How many there have been. */
  peerCount = 0;
  #lostTimer: NodeJS.Timeout | undefined;

  constructor(login: { id: string; token: string; profile: MemberProfile }) {
    this.id = login.id;
    this.token = login.token;
    this.profile = login.profile;
  }

  get data(): SessionData {
    return { id: this.id, profile: this.profile, state: this.state };
  }

  /** Sends to the client; nothing when it has no connection. */
  send<E extends ServerEvent>(event: E, payload: ServerPayload<E>): void {
    this.socket?.send(event, payload);
  }

  /** The peer is its own from now on. */
  adopt(peer: Peer): void {
    this.peer = peer;
    this.peerCount += 1;
  }

  setConnected(isConnected: boolean): void {
    const now = new Date().toISOString();
    const { connected_since: _since, not_connected_since: _notSince, ...rest } = this.state;
    this.state = isConnected
      ? { ...rest, is_connected: true, connected_since: now }
      : { ...rest, is_connected: false, not_connected_since: now };
  }

  setWatching(isWatching: boolean): void {
    const now = new Date().toISOString();
    const { watching_since: _since, not_watching_since: _notSince, ...rest } = this.state;
    this.state = isWatching
      ? { ...rest, is_watching: true, watching_since: now }
      : { ...rest, is_watching: false, not_watching_since: now };
  }

  /** Calls `giveUp` once the time in which a lost client may come back is over, unless `cancelGrace` is called before. */
  startGrace(giveUp: () => void): void {
    clearTimeout(this.#lostTimer);
    this.#lostTimer = setTimeout(giveUp, LOST_GRACE_MS);
  }

  cancelGrace(): void {
    clearTimeout(this.#lostTimer);
    this.#lostTimer = undefined;
  }
}
