import type { Rung } from '../protocol/ice.ts';
import type { InputEvent, OutputEvent } from '../input/data-channel.ts';
import { inputMessageOf } from '../input/socket-input.ts';
import { ClipboardSync } from './clipboard-sync.ts';
import { Connection, type DialOptions } from './connection.ts';
import { Controls, type ControlStatus } from './controls.ts';
import { InputGate } from './input/input-gate.ts';
import type { Incoming, Screen } from './messages.ts';
import { explain, type Reason } from './reasons.ts';
import { Room } from './room.ts';
import type { Stats } from './stats.ts';
import { Stream, type StreamOptions } from './stream.ts';
import { Fallback, type Wanted } from './vnc/fallback.ts';
import type { VncListener, VncPicture } from './vnc/picture.ts';
import { type Signaling, viewerState, type ViewerState } from './viewer-state.ts';

export interface DesktopListener {
  stateChanged(state: ViewerState): void;
  controlChanged(status: ControlStatus): void;
  /** What there is to choose from, or what is sent, is another. */
  offerChanged(): void;
  /** A new stream begins: the tracks of the one before are no longer shown. */
  streamStarted(): void;
  gotTrack(track: MediaStreamTrack): void;
  screenChanged(screen: Screen): void;
  received(event: OutputEvent): void;
  /** Another text is on the desktop's clipboard, and this viewer has control and may see it. */
  copied(text: string): void;
  noticed(text: string): void;
  failed(reason: Reason): void;
  measured(stats: Stats): void;
  /** Shows the desktop by VNC. */
  openVnc(dial: () => WebSocket, listener: VncListener): VncPicture;
}

export interface DesktopOptions extends DialOptions, StreamOptions {
  /** Whether VNC may stand in where WebRTC has no picture. */
  readonly mayFallBack: boolean;
}

/** Losses that say that the stream is gone too, which WebRTC would notice only some seconds later. */
const MEDIA_ENDED = new Set(['STREAMER_LOST', 'NEKO_UNREACHABLE', 'NEKO_START_FAILED', 'SESSION_NOT_RUNNING']);
/** Subjects of our messages between viewers, which neko passes on and does not read. */
const CONTROL_KEPT = 'nekogate/control-kept';

/**
 * One viewer's side of one desktop: signaling, media, control, clipboard and input, without any DOM. Media does not depend on
 * the signaling socket: while that is away picture and input go on, and a login that comes back as the same keeps them.
 */
export class DesktopClient {
  readonly stream: Stream;
  readonly controls: Controls;
  readonly clipboard: ClipboardSync;
  readonly #listener: DesktopListener;
  readonly #connection: Connection;
  readonly #room = new Room();
  readonly #fallback: Fallback;
  readonly #mayFallBack: boolean;
  readonly #gate = new InputGate((event) => this.controls.send(event));
  #signaling: Signaling = { name: 'joining' };
  #trouble: Reason | undefined;
  #toldRung: Rung | undefined;
  #wasLinkLost = false;
  #state: ViewerState = { name: 'closed', reason: explain('DISCONNECTED') };
  #videos: readonly string[] = [];
  #touchEvents = false;

  constructor({ mayFallBack, ...options }: DesktopOptions, listener: DesktopListener) {
    this.#listener = listener;
    this.#mayFallBack = mayFallBack;
    const connection = new Connection(options, {
      opened: () => this.#room.forgetPrograms(),
      received: (message) => this.#receive(message),
      lost: (reason, retryAtMs) => this.#lose(reason, retryAtMs),
    });
    this.#connection = connection;
    this.stream = new Stream(options, {
      send: (event, payload) => connection.send(event, payload),
      started: () => listener.streamStarted(),
      gotTrack: (track) => listener.gotTrack(track),
      received: (event) => listener.received(event),
      measured: (stats) => listener.measured(stats),
      changed: () => {
        this.#updateState();
        listener.offerChanged();
      },
    });
    this.#fallback = new Fallback({
      dial: () => connection.dialVnc(),
      open: (dial, one) => listener.openVnc(dial, one),
      changed: () => this.#updateState(),
    });
    this.controls = new Controls(this.#room, {
      sendRequest: () => connection.send('control/request'),
      sendRelease: () => connection.send('control/release'),
      sendKept: (receiver) => connection.send('send/unicast', { receiver, subject: CONTROL_KEPT, body: null }),
      transmit: (event) => this.#transmit(event),
      changed: () => this.#controlChanged(),
      noticed: (text) => listener.noticed(text),
    });
    this.clipboard = new ClipboardSync({
      send: (event, payload) => connection.send(event, payload),
      isAllowed: () => this.mayUseClipboard && this.controls.isMine,
      changed: (text) => listener.copied(text),
    });
  }

  get state(): ViewerState {
    return this.#state;
  }

  /** The pictures that there are to choose from. */
  get videos(): readonly string[] {
    return this.#videos;
  }

  /** Whether the desktop takes touches as they are. */
  get touchEvents(): boolean {
    return this.#touchEvents;
  }

  get mayUseClipboard(): boolean {
    return this.#room.rights.canAccessClipboard && this.controls.status.mayControl;
  }

  get mayResize(): boolean {
    return this.#room.rights.canResize;
  }

  get mayShareMedia(): boolean {
    return this.#room.rights.canShareMedia;
  }

  open(): void {
    if (typeof RTCPeerConnection === 'undefined') {
      this.#end(explain('UNSUPPORTED'));
      return;
    }
    this.#signaling = { name: 'joining' };
    this.#updateState();
    this.#connection.open();
  }

  /** Tries again now, where the client waits for its next try. */
  retry(): void {
    if (this.#signaling.name === 'lost') this.#connection.open();
    else if (this.stream.picture.name === 'broken') this.stream.restart();
  }

  /** Input in its order; what may not go now is dropped, as `controls` has it. */
  send(event: InputEvent): void {
    this.#gate.send(event);
  }

  /** Input that comes from now on waits until the desktop's clipboard has the text. False where it could not be given one. */
  paste(text: string): boolean {
    const done = this.clipboard.offer(text);
    if (done !== undefined) void this.#gate.hold(done);
    return done !== undefined;
  }

  /** Tells the desktop's keyboard how the lock keys here stand. */
  setLocks(locks: { readonly capslock?: boolean; readonly numlock?: boolean }): void {
    if (this.controls.isMine) this.#connection.send('keyboard/modifiers', locks);
  }

  /** Asks for a desktop of another size; the streamer answers with the one that it took. */
  resize(screen: Screen): void {
    if (this.mayResize) this.#connection.send('screen/set', { ...screen });
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
        this.#videos = message.payload.videos;
        this.#touchEvents = message.payload.touchEvents;
        this.#signaling = { name: 'up' };
        // This may be another gateway, or another login.
        this.#toldRung = undefined;
        this.#listener.screenChanged(message.payload.screen);
        this.controls.update();
        this.stream.resume(message.payload.sessionId, this.#room.isWatching);
        if (this.#wasLinkLost) this.#fallback.renew();
        this.#wasLinkLost = false;
        this.#updateState();
        this.#listener.offerChanged();
        break;
      case 'screen/updated':
        this.#listener.screenChanged(message.payload);
        break;
      case 'signal/provide':
      case 'signal/offer':
      case 'signal/restart':
      case 'signal/answer':
      case 'signal/candidate':
      case 'signal/video':
      case 'signal/close':
        this.stream.receive(message);
        break;
      case 'clipboard/updated':
        if (this.mayUseClipboard) this.clipboard.receive(message.payload.text);
        break;
      case 'control/request':
        this.controls.asked(message.payload.id);
        break;
      case 'send/unicast':
        if (message.payload.subject === CONTROL_KEPT) this.controls.refused(message.payload.sender);
        break;
      case 'gateway/session':
        this.#setPaused(message.payload.isPaused);
        break;
      case 'gateway/error':
        this.#listener.failed(explain(message.payload.code, message.payload.message, message.payload.retryable));
        break;
      case 'control/host':
      case 'gateway/lease':
      case 'session/created':
      case 'session/deleted':
      case 'session/profile':
      case 'system/settings':
        this.controls.update();
        break;
      case 'gateway/login':
      case 'system/disconnect':
      case 'system/heartbeat':
        break;
      default:
        throw new Error(`unreachable: ${JSON.stringify(message satisfies never)}`);
    }
  }

  /** A frozen streamer says nothing and sends nothing, and neither is a loss. */
  #setPaused(isPaused: boolean): void {
    this.#signaling = { name: isPaused ? 'paused' : 'up' };
    this.#connection.expectSilence(isPaused);
    if (isPaused) this.stream.freeze();
    else this.stream.thaw();
    this.#updateState();
  }

  #lose(reason: Reason, retryAtMs: number | undefined): void {
    if (retryAtMs === undefined) {
      this.#end(reason);
      return;
    }
    this.#signaling = { name: 'lost', reason, retryAtMs };
    this.#wasLinkLost ||= reason.code === 'LINK_LOST';
    this.stream.suspend(MEDIA_ENDED.has(reason.code));
    this.#updateState();
    this.controls.suspend();
  }

  #end(reason: Reason): void {
    if (this.#signaling.name === 'ended') return;
    this.#signaling = { name: 'ended', reason };
    this.#updateState();
    this.stream.close();
    this.#room.forgetControl();
    this.controls.suspend();
  }

  /**
   * Over the data channel; over the socket while there is none, and while VNC stands in: a channel whose connection is lost takes input and
   * keeps it. Neither, and it is lost: the streamer lets go of keys by itself.
   */
  #transmit(event: InputEvent): void {
    if (!this.#fallback.isShown && this.stream.send(event)) return;
    const message = inputMessageOf(event);
    if (message !== undefined) this.#connection.send(message.event, message.payload);
  }

  #controlChanged(): void {
    if (!this.controls.isMine) this.clipboard.forget();
    this.#listener.controlChanged(this.controls.status);
  }

  #wantedOfVnc(): Wanted {
    const { picture, isFlowing } = this.stream;
    const { name } = this.#signaling;
    const isOver = name === 'ended' || name === 'paused';
    // Signaling that is away for a moment leaves a picture by VNC where it is.
    const isUp = name === 'up' || this.#fallback.isShown;
    if (!this.#mayFallBack || isOver || isFlowing || !isUp) return 'no';
    return picture.name === 'broken' ? 'now' : 'soon';
  }

  #updateState(): void {
    this.#fallback.want(this.#wantedOfVnc());
    const state = viewerState({
      signaling: this.#signaling,
      picture: this.stream.picture,
      plan: this.stream.plan,
      isFlowing: this.stream.isFlowing,
      isVncShown: this.#fallback.isShown,
      trouble: this.#trouble,
    });
    if (state.name === 'live') this.#trouble = undefined;
    if (state.name === 'reconnecting') this.#trouble = state.reason;
    const isAnother = JSON.stringify(state) !== JSON.stringify(this.#state);
    this.#state = state;
    const rung = state.name === 'live' ? state.rung : undefined;
    if (rung !== undefined && rung !== this.#toldRung) this.#connection.tellGateway('gateway/media', { rung });
    this.#toldRung = rung ?? this.#toldRung;
    // The state first: the listener lets go of what is held down, which may still get through.
    if (isAnother) this.#listener.stateChanged(state);
    const isBlind = this.#signaling.name === 'lost' && state.name !== 'live';
    if (!isBlind || this.#room.sessionId === undefined) return;
    this.#room.forgetControl();
    this.controls.suspend();
  }
}
