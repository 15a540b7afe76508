import type { InputEvent, OutputEvent } from '../input/data-channel.ts';
import { backoffDelayMs } from './backoff.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { Controls, type ControlStatus } from './controls.ts';
import type { Size } from './geometry.ts';
import type { Incoming } from './messages.ts';
import { Peer } from './peer.ts';
import { explain, type Reason } from './reasons.ts';
import { Room } from './room.ts';
import { sampleStats, type Stats } from './stats.ts';
import { transmitOverSocket } from './input/socket-input.ts';

/** `live` means that a frame of the present stream was seen; the three others say what is in the way. */
export type ViewerState =
  | { readonly name: 'connecting'; readonly step: 'joining' | 'opening-picture' }
  | { readonly name: 'live' }
  | { readonly name: 'reconnecting'; readonly reason: Reason; readonly retryAtMs: number | undefined }
  | { readonly name: 'closed'; readonly reason: Reason };

export interface DesktopListener {
  stateChanged(state: ViewerState): void;
  controlChanged(status: ControlStatus): void;
  /** A new stream begins: the tracks of the one before are no longer shown. */
  streamStarted(): void;
  gotTrack(track: MediaStreamTrack): void;
  screenChanged(screen: Size): void;
  received(event: OutputEvent): void;
  noticed(text: string): void;
  failed(reason: Reason): void;
  measured(stats: Stats): void;
}

/** From the request to a connected peer; more means that no way was found. */
const MEDIA_TIMEOUT_MS = 15_000;
/** WebRTC mends short breaks by itself; a longer one gets an ICE restart, and then MEDIA_TIMEOUT_MS to work. */
const BREAK_MAX_MS = 3000;
/** Losses that say that the stream is gone too, which WebRTC would notice only some seconds later. */
const MEDIA_ENDED = new Set(['STREAMER_LOST', 'NEKO_UNREACHABLE', 'NEKO_START_FAILED', 'SESSION_NOT_RUNNING']);
const STATS_INTERVAL_MS = 2000;

/**
 * One viewer's side of one desktop: signaling, media, control and input, without any DOM. Media does not depend on the
 * signaling socket: while that is away the picture goes on, and a login that comes back as the same keeps it.
 */
export class DesktopClient {
  readonly #listener: DesktopListener;
  readonly #connection: Connection;
  readonly #room = new Room();
  readonly controls: Controls;
  #state: ViewerState = { name: 'connecting', step: 'joining' };
  #peer: Peer | undefined;
  /** The login that the peer belongs to. */
  #peerSessionId: string | undefined;
  #isFrameSeen = false;
  #mediaAttempt = 0;
  #mediaTimer: ReturnType<typeof setTimeout> | undefined;
  #statsTimer: ReturnType<typeof setInterval> | undefined;
  #pingedAtMs = 0;
  #rttMs: number | undefined;

  constructor(options: ConnectionOptions, listener: DesktopListener) {
    this.#listener = listener;
    this.#connection = new Connection(options, {
      opened: () => undefined,
      received: (message) => this.#receive(message),
      lost: (reason, retryAtMs) => this.#lose(reason, retryAtMs),
    });
    this.controls = new Controls(this.#room, {
      sendRequest: () => this.#connection.send('control/request'),
      sendRelease: () => this.#connection.send('control/release'),
      transmit: (event) => this.#transmit(event),
      changed: () => listener.controlChanged(this.controls.status),
      noticed: (text) => listener.noticed(text),
    });
  }

  get state(): ViewerState {
    return this.#state;
  }

  /** Whether frames can still come, also while signaling is away. */
  get isPictureAlive(): boolean {
    return this.#isFrameSeen && this.#peer?.state === 'connected';
  }

  open(): void {
    if (typeof RTCPeerConnection === 'undefined') {
      this.#setState({ name: 'closed', reason: explain('UNSUPPORTED') });
      return;
    }
    this.#setState({ name: 'connecting', step: 'joining' });
    this.#connection.open();
    this.#statsTimer ??= setInterval(() => void this.#measure(), STATS_INTERVAL_MS);
  }

  /** Tries again now, where the client waits for its next try. */
  retry(): void {
    if (this.#state.name !== 'reconnecting') return;
    if (this.#room.sessionId === undefined) this.#connection.open();
    else this.#startPeer();
  }

  /** A frame was shown; false when it is none of the stream's, as the black one that Chromium shows when a stream ends. */
  frameSeen(): boolean {
    if (this.#peer?.state !== 'connected') return false;
    this.#isFrameSeen = true;
    this.#mediaAttempt = 0;
    if (this.#room.sessionId !== undefined) this.#setState({ name: 'live' });
    return true;
  }

  /** Leaves for good: the login ends at once. */
  close(reason: Reason = explain('DISCONNECTED')): void {
    this.#connection.close();
    this.#end(reason);
  }

  #receive(message: Incoming): void {
    this.#room.apply(message);
    switch (message.event) {
      case 'system/init':
        this.#listener.screenChanged(message.payload.screen);
        this.controls.update();
        this.#resumeOrStart();
        break;
      case 'screen/updated':
        this.#listener.screenChanged(message.payload);
        break;
      case 'signal/provide':
        this.#peer?.accept(message.payload.sdp, message.payload.iceServers);
        break;
      case 'signal/offer':
      case 'signal/restart':
        this.#peer?.renegotiate(message.payload.sdp);
        break;
      case 'signal/candidate':
        this.#peer?.addCandidate(message.payload);
        break;
      case 'signal/close':
        // neko also gives up a peer that did not connect within 10 s.
        this.#retryMedia(explain(this.#isFrameSeen ? 'STREAMER_LOST' : 'MEDIA_UNREACHABLE'));
        break;
      case 'control/request':
        this.controls.asked(message.payload.id);
        break;
      case 'gateway/error':
        this.#listener.failed(explain(message.payload.code, message.payload.message, message.payload.retryable));
        break;
      case 'control/host':
      case 'session/created':
      case 'session/deleted':
      case 'session/profile':
      case 'system/settings':
        this.controls.update();
        break;
      case 'system/disconnect':
      case 'system/heartbeat':
        break;
      default:
        throw new Error(`unreachable: ${JSON.stringify(message satisfies never)}`);
    }
  }

  #resumeOrStart(): void {
    const isSame = this.#peerSessionId === this.#room.sessionId && this.#room.isWatching;
    if (isSame && this.isPictureAlive) this.#setState({ name: 'live' });
    else this.#startPeer();
  }

  #startPeer(): void {
    this.#dropPeer();
    this.#listener.streamStarted();
    if (this.#state.name !== 'reconnecting') this.#setState({ name: 'connecting', step: 'opening-picture' });
    this.#peerSessionId = this.#room.sessionId;
    this.#peer = new Peer({
      answered: (sdp) => this.#connection.send('signal/answer', { sdp }),
      foundCandidate: (candidate) => this.#connection.send('signal/candidate', candidate),
      gotTrack: (track) => this.#listener.gotTrack(track),
      channelOpened: () => this.#ping(),
      received: (event) => this.#take(event),
      stateChanged: (state) => this.#watchMedia(state),
      failed: () => this.#retryMedia(explain('MEDIA_UNREACHABLE')),
    });
    this.#mediaTimer = setTimeout(() => this.#retryMedia(explain('MEDIA_UNREACHABLE')), MEDIA_TIMEOUT_MS);
    this.#connection.send('signal/request', { video: {}, audio: {} });
  }

  #watchMedia(state: RTCPeerConnectionState): void {
    // Without signaling the state stays, but whether a picture is left under it has changed.
    if (this.#room.sessionId === undefined) this.#setState(this.#state);
    if (state === 'connected') clearTimeout(this.#mediaTimer);
    if (state === 'failed') this.#retryMedia(explain('MEDIA_UNREACHABLE'));
    if (state !== 'disconnected') return;
    clearTimeout(this.#mediaTimer);
    this.#mediaTimer = setTimeout(() => {
      this.#connection.send('signal/restart');
      this.#mediaTimer = setTimeout(() => this.#retryMedia(explain('MEDIA_UNREACHABLE')), MEDIA_TIMEOUT_MS);
    }, BREAK_MAX_MS);
  }

  /** Media is gone, signaling stands: asks for a new stream after a while. Without signaling, coming back does that. */
  #retryMedia(reason: Reason): void {
    this.#dropPeer();
    if (this.#room.sessionId === undefined) return;
    const delayMs = backoffDelayMs(this.#mediaAttempt);
    this.#mediaAttempt += 1;
    this.#mediaTimer = setTimeout(() => this.#startPeer(), delayMs);
    this.#setState({ name: 'reconnecting', reason: { ...reason, retryable: true }, retryAtMs: Date.now() + delayMs });
  }

  #lose(reason: Reason, retryAtMs: number | undefined): void {
    if (retryAtMs === undefined) {
      this.#end(reason);
      return;
    }
    if (MEDIA_ENDED.has(reason.code)) this.#dropPeer();
    // The state first: the listener lets go of what is held down, which still gets through over the data channel.
    this.#setState({ name: 'reconnecting', reason, retryAtMs });
    this.#room.forgetControl();
    this.controls.suspend();
  }

  #end(reason: Reason): void {
    clearInterval(this.#statsTimer);
    this.#statsTimer = undefined;
    if (this.#state.name !== 'closed') this.#setState({ name: 'closed', reason });
    this.#dropPeer();
    this.#room.forgetControl();
    this.controls.suspend();
  }

  #dropPeer(): void {
    clearTimeout(this.#mediaTimer);
    this.#peer?.close();
    this.#peer = undefined;
    this.#isFrameSeen = false;
    this.#rttMs = undefined;
  }

  #transmit(event: InputEvent): void {
    if (this.#peer?.send(event) !== true) transmitOverSocket(event, this.#connection);
  }

  #take(event: OutputEvent): void {
    if (event.type === 'pong' && event.clientMs === Math.trunc(this.#pingedAtMs)) {
      this.#rttMs = performance.now() - this.#pingedAtMs;
    }
    this.#listener.received(event);
  }

  #ping(): void {
    this.#pingedAtMs = performance.now();
    this.#peer?.send({ type: 'ping', clientMs: Math.trunc(this.#pingedAtMs) });
  }

  async #measure(): Promise<void> {
    const peer = this.#peer;
    if (peer === undefined || peer.state !== 'connected') return;
    this.#ping();
    const report = await peer.readStats();
    if (report !== undefined && peer === this.#peer) this.#listener.measured(sampleStats(report, this.#rttMs));
  }

  #setState(state: ViewerState): void {
    this.#state = state;
    this.#listener.stateChanged(state);
  }
}
