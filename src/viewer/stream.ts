import type { InputEvent, OutputEvent } from '../input/data-channel.ts';
import type { IcePlan } from '../protocol/ice.ts';
import type { FromClientEvent } from '../signaling/messages.ts';
import { backoffDelayMs } from './backoff.ts';
import type { Incoming, VideoChoice } from './messages.ts';
import { Peer } from './peer.ts';
import { explain, type Reason } from './reasons.ts';
import { StallWatch } from './stall-watch.ts';
import { planOf, sampleStats, type Stats, type StatsTotals } from './stats.ts';

/** `playing` means that a frame of the present stream was seen; `isStalled` that it stands still where it should move. */
export type Picture =
  | { readonly name: 'none' }
  | { readonly name: 'opening' }
  | { readonly name: 'playing'; readonly isStalled: boolean }
  | { readonly name: 'broken'; readonly reason: Reason; readonly retryAtMs: number };

/** What a person chose to see: one of the streamer's pictures, or what the streamer thinks best. */
export type Quality = { readonly kind: 'auto' } | { readonly kind: 'exact'; readonly id: string };

type SignalMessage = Extract<Incoming, { event: `signal/${string}` }>;

export interface StreamOptions {
  /** As `Attributes.ice`. */
  readonly ice: string;
}

export interface StreamListener {
  send(event: FromClientEvent, payload?: object): boolean;
  /** A new stream begins: the tracks of the one before are no longer shown. */
  started(): void;
  gotTrack(track: MediaStreamTrack): void;
  received(event: OutputEvent): void;
  measured(stats: Stats): void;
  /** `picture`, `isFlowing`, `plan` or `video` is another one. */
  changed(): void;
}

/** From the request to a connected peer; more means that no way was found. */
const MEDIA_TIMEOUT_MS = 15_000;
/** WebRTC mends short breaks by itself; a longer one gets an ICE restart, and then MEDIA_TIMEOUT_MS to work. */
const BREAK_MAX_MS = 3000;
const STATS_INTERVAL_MS = 2000;
/** Time on a way that is not the straight one, before the better ones are tried again, and at most between two tries. */
const CLIMB_FIRST_MS = 20_000;
const CLIMB_MAX_MS = 600_000;
/** Input that the screen answers; a pointer that moves is not in the picture. */
const SEEN_INPUTS: ReadonlySet<InputEvent['type']> = new Set(['key', 'button', 'scroll', 'touch']);

/**
 * The media of one viewer: asks the streamer for it, mends it, measures it, and asks anew when it ends. It does not depend on
 * the signaling socket: while that is away frames and input go on, and `resume` keeps the connection for a login that came back.
 */
export class Stream {
  readonly #options: StreamOptions;
  readonly #listener: StreamListener;
  readonly #stall = new StallWatch();
  #picture: Picture = { name: 'none' };
  #peer: Peer | undefined;
  /** The login that the peer belongs to. */
  #sessionId: string | undefined;
  #isSignalingUp = false;
  #isFrozen = false;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #statsTimer: ReturnType<typeof setInterval> | undefined;
  #climbTimer: ReturnType<typeof setTimeout> | undefined;
  #totals: StatsTotals | undefined;
  #pingedAtMs = 0;
  #rttMs: number | undefined;
  #droveAtMs: number | undefined;
  #quality: Quality | undefined;
  #video: VideoChoice | undefined;
  #plan: IcePlan | undefined;

  constructor(options: StreamOptions, listener: StreamListener) {
    this.#options = options;
    this.#listener = listener;
  }

  get picture(): Picture {
    return this.#picture;
  }

  /** Whether the picture can move: a frame was seen, and the connection that it came by holds. */
  get isFlowing(): boolean {
    return this.#picture.name === 'playing' && this.#peer?.state === 'connected';
  }

  /** The way that media takes; undefined until that was measured. */
  get plan(): IcePlan | undefined {
    return this.#plan;
  }

  /** What the streamer says that it sends. */
  get video(): VideoChoice | undefined {
    return this.#video;
  }

  /** Signaling is up, as this login: goes on with the connection that it has, or asks for one. */
  resume(sessionId: string, isWatching: boolean): void {
    this.#isSignalingUp = true;
    this.#isFrozen = false;
    const isSame = this.#sessionId === sessionId && isWatching && this.#picture.name === 'playing';
    this.#sessionId = sessionId;
    if (isSame && this.#peer?.state === 'connected') return;
    if (isSame && this.#peer?.state === 'disconnected') this.#mend();
    else this.restart();
  }

  /** Signaling is away. Where that says that the stream is gone too, it ends now and not some seconds later. */
  suspend(isStreamGone: boolean): void {
    this.#isSignalingUp = false;
    if (isStreamGone || this.#picture.name !== 'playing') this.close();
  }

  /** The desktop stands still for as long as it likes: nothing of the stream is mended or given up. */
  freeze(): void {
    this.#isFrozen = true;
    clearTimeout(this.#timer);
    this.#stall.reset();
  }

  /** The desktop goes on: with the connection that there was, where it lasted. */
  thaw(): void {
    this.#isFrozen = false;
    if (this.#peer?.state !== 'connected' || this.#picture.name !== 'playing') this.restart();
  }

  /** Asks for a new stream now, in place of one that there is. */
  restart(): void {
    this.#dropPeer();
    this.#listener.started();
    this.#peer = new Peer({
      answered: (sdp) => this.#listener.send('signal/answer', { sdp }),
      offered: (sdp) => this.#listener.send('signal/offer', { sdp }),
      foundCandidate: (candidate) => this.#listener.send('signal/candidate', candidate),
      gotTrack: (track) => this.#listener.gotTrack(track),
      channelOpened: () => this.#ping(),
      channelClosed: () => this.#break(explain('STREAMER_LOST')),
      received: (event) => this.#take(event),
      stateChanged: (state) => this.#watch(state),
      failed: () => this.#break(explain('MEDIA_UNREACHABLE')),
    });
    this.#statsTimer = setInterval(() => void this.#measure(), STATS_INTERVAL_MS);
    this.#timer = setTimeout(() => this.#break(explain('MEDIA_UNREACHABLE')), MEDIA_TIMEOUT_MS);
    this.#setPicture({ name: 'opening' });
    this.#listener.send('signal/request', { video: videoRequest(this.#quality), audio: {} });
  }

  receive(message: SignalMessage): void {
    switch (message.event) {
      case 'signal/provide':
        this.#setVideo(message.payload.video);
        this.#peer?.accept(message.payload.sdp, {
          iceServers: message.payload.iceServers,
          // The gateway can't take the host's addresses out of the offer: the TURN server has to be told where to send.
          iceTransportPolicy: this.#options.ice === 'turn' ? 'relay' : 'all',
        });
        break;
      case 'signal/offer':
      case 'signal/restart':
        this.#peer?.renegotiate(message.payload.sdp);
        break;
      case 'signal/answer':
        this.#peer?.acceptAnswer(message.payload.sdp);
        break;
      case 'signal/candidate':
        this.#peer?.addCandidate(message.payload);
        break;
      case 'signal/video':
        this.#setVideo(message.payload);
        break;
      case 'signal/close':
        // neko also gives up a peer that did not connect within 10 s.
        this.#break(explain(this.#picture.name === 'playing' ? 'STREAMER_LOST' : 'MEDIA_UNREACHABLE'));
        break;
      default:
        throw new Error(`unreachable: ${JSON.stringify(message satisfies never)}`);
    }
  }

  /** A frame was shown; false when it is none of the stream's, as the black one that Chromium shows when a stream ends. */
  frameSeen(): boolean {
    if (this.#peer?.state !== 'connected') return false;
    this.#attempt = 0;
    clearTimeout(this.#timer);
    const isFirst = this.#picture.name !== 'playing';
    this.#setPicture({ name: 'playing', isStalled: false });
    if (isFirst) void this.#measure();
    return true;
  }

  choose(quality: Quality): void {
    this.#quality = quality;
    this.#listener.send('signal/video', videoRequest(quality));
    this.#listener.changed();
  }

  /** Sends over the data channel; false where it is not open. */
  send(event: InputEvent): boolean {
    if (this.#peer?.send(event) !== true) return false;
    if (SEEN_INPUTS.has(event.type)) this.#droveAtMs = performance.now();
    return true;
  }

  /** Shares a microphone, or stops to. */
  share(track: MediaStreamTrack | undefined): Promise<void> {
    return this.#peer?.share(track) ?? Promise.resolve();
  }

  close(): void {
    this.#dropPeer();
    this.#setPicture({ name: 'none' });
  }

  #watch(state: RTCPeerConnectionState): void {
    if (this.#isFrozen) return;
    this.#listener.changed();
    if (state === 'connected') this.#awaitFrame();
    // What changed while the connection was away is lost, and on a desktop that stands still nothing else would tell.
    if (state === 'connected' && this.#picture.name === 'playing') this.#requestFrame();
    if (state === 'failed' || state === 'closed') this.#break(explain('MEDIA_UNREACHABLE'));
    if (state !== 'disconnected') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#mend(), BREAK_MAX_MS);
  }

  /** Connected: what ends the waits for that, and begins the one for a frame. */
  #awaitFrame(): void {
    clearTimeout(this.#timer);
    if (this.#picture.name === 'playing') return;
    this.#timer = setTimeout(() => {
      // Browsers tell of no frame on a page that nobody sees.
      if (document.visibilityState === 'hidden') this.#awaitFrame();
      else this.#break(explain('STREAM_STALLED'));
    }, MEDIA_TIMEOUT_MS);
  }

  /** An ICE restart, where there is somebody to ask; without signaling, coming back does that. */
  #mend(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#break(explain('MEDIA_UNREACHABLE')), MEDIA_TIMEOUT_MS);
    this.#listener.send('signal/restart');
  }

  /** The media is gone: asks for a new stream after a while. Without signaling, coming back does that. */
  #break(reason: Reason): void {
    if (this.#peer === undefined) return;
    this.#dropPeer();
    if (!this.#isSignalingUp || this.#isFrozen) {
      this.#setPicture({ name: 'none' });
      return;
    }
    const delayMs = backoffDelayMs(this.#attempt);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.restart(), delayMs);
    this.#setPicture({ name: 'broken', reason: { ...reason, retryable: true }, retryAtMs: Date.now() + delayMs });
  }

  #dropPeer(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#statsTimer);
    clearTimeout(this.#climbTimer);
    this.#peer?.close();
    this.#peer = undefined;
    this.#stall.reset();
    this.#totals = undefined;
    this.#plan = undefined;
    this.#rttMs = undefined;
    this.#droveAtMs = undefined;
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
    if (peer === undefined || peer.state !== 'connected' || this.#isFrozen) return;
    this.#ping();
    const report = await peer.readStats();
    if (report === undefined || peer !== this.#peer) return;
    const { stats, totals } = sampleStats(report, this.#rttMs, this.#totals);
    this.#totals = totals;
    this.#listener.measured(stats);
    if (stats.route !== undefined) this.#tellRoute(planOf(stats.route));
    this.#watchStall(stats);
  }

  /** Once for each stream, and again when it changes. */
  #tellRoute(plan: IcePlan): void {
    if (plan === this.#plan || this.#picture.name !== 'playing') return;
    this.#plan = plan;
    this.#climbLater(CLIMB_FIRST_MS);
    this.#listener.changed();
  }

  /** Looks now and then whether a better way works by now: ICE, restarted, tries all of them, and media goes on meanwhile. */
  #climbLater(afterMs: number): void {
    clearTimeout(this.#climbTimer);
    if (this.#plan === 'direct' || this.#options.ice !== '') return;
    this.#climbTimer = setTimeout(() => {
      if (this.isFlowing && this.#isSignalingUp && !this.#isFrozen) this.#listener.send('signal/restart');
      this.#climbLater(Math.min(2 * afterMs, CLIMB_MAX_MS));
    }, afterMs);
  }

  #watchStall({ framesDecoded, packetsReceived, silentMs }: Stats): void {
    // Browsers may stop decoding for a page that nobody sees.
    if (this.#picture.name !== 'playing' || document.visibilityState === 'hidden') {
      this.#stall.reset();
      return;
    }
    const atMs = performance.now();
    const verdict = this.#stall.observe({
      atMs,
      framesDecoded: framesDecoded ?? 0,
      packetsReceived: packetsReceived ?? 0,
      heardAtMs: atMs - (silentMs ?? 0),
      droveAtMs: this.#droveAtMs,
    });
    if (verdict === 'ask') this.#askForFrame();
    if (verdict === 'stalled') this.#break(explain('STREAM_STALLED'));
    else if (verdict === 'fine' && this.#picture.isStalled && !this.#stall.isWaiting)
      this.#setPicture({ name: 'playing', isStalled: false });
  }

  #askForFrame(): void {
    this.#setPicture({ name: 'playing', isStalled: true });
    this.#requestFrame();
  }

  /** neko has no word for a key frame; a picture that is turned off and on begins with one. */
  #requestFrame(): void {
    this.#listener.send('signal/video', { disabled: true });
    this.#listener.send('signal/video', { disabled: false });
  }

  #setVideo(video: VideoChoice): void {
    this.#video = video;
    this.#listener.changed();
  }

  #setPicture(picture: Picture): void {
    this.#picture = picture;
    this.#listener.changed();
  }
}

function videoRequest(quality: Quality | undefined): object {
  if (quality === undefined) return {};
  return quality.kind === 'auto' ? { auto: true } : { selector: { id: quality.id, type: 'exact' }, auto: false };
}
