import type { Logger } from 'pino';
import type { MediaStreamTrack } from 'werift';
import { encodeOutput, type OutputEvent } from '../../input/data-channel.ts';
import { AutoQuality, type EstimatorSettings } from './auto-quality.ts';
import { BandwidthEstimator } from './bandwidth-estimator.ts';
import { MediaSender } from './media-sender.ts';
import type { PacketSource } from './media-source.ts';
import { PeerFeedback } from './peer-feedback.ts';
import { checkRestarted, type OfferedConnection, offerConnection, type PeerNetwork } from './peer-connection.ts';
import { AUDIO, VIDEO } from './pipelines.ts';
import type { Qualities } from './qualities.ts';
import {
  type Candidate,
  finishOffer,
  hostAddresses,
  hostCandidates,
  isPlainUdp,
  trimAnswer,
} from './session-description.ts';

// Whoever has not connected by then is not coming.
const CONNECT_TIMEOUT_MS = 30_000;
// Browsers check the connection every 2.5 s or so; one that is silent for longer is gone without a word.
const SILENCE_MAX_MS = 15_000;
const SILENCE_CHECK_MS = 2500;
// A viewer that doesn't read its data channel gets no more cursors until it has.
const DATA_BUFFER_MAX_BYTES = 1_048_576;

export interface PeerMedia {
  qualities: Qualities;
  audio: PacketSource;
  /** Undefined: what connections carry isn't estimated, and nothing is chosen by it. */
  estimator: EstimatorSettings | undefined;
}

/** What happens to a peer, told once each, but for messages. */
export interface PeerListener {
  connected(): void;
  channelOpened(): void;
  message(bytes: Uint8Array): void;
  /** The viewer sends sound, or a picture. */
  shared(track: MediaStreamTrack): void;
  /** The video's quality was changed by what the connection carries. */
  qualityChanged(): void;
  closed(): void;
}

/** As neko counts the states of a connection in its metrics. */
export const PEER_STATES = { new: 0, closed: 1, failed: 2, disconnected: 3, connecting: 4, connected: 5 } as const;

/** One viewer's WebRTC connection: we offer video, audio and the data channel. */
export class Peer {
  readonly candidates: readonly Candidate[];
  readonly feedback = new PeerFeedback(() => this.#video.requestKeyFrame());
  readonly #parts: OfferedConnection;
  readonly #media: PeerMedia;
  readonly #video: MediaSender;
  readonly #audio: MediaSender;
  readonly #estimator: BandwidthEstimator | undefined;
  readonly #listener: PeerListener;
  readonly #logger: Logger;
  readonly #connectTimer: NodeJS.Timeout;
  readonly #channelBytes = { sent: 0, received: 0 };
  readonly #closeListeners: (() => void)[] = [];
  #silenceTimer: NodeJS.Timeout | undefined;
  #estimateTimer: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #wantsVideo = false;
  #wantsAudio = false;
  #isPaused = false;
  #isAuto = false;
  #isConnected = false;
  #toldCandidates = 0;
  #stateChanges = 0;
  #closing: Promise<void> | undefined;

  /** Binds a port and prepares the offer. Rejects, and leaves nothing open, when no port can be had. */
  static async open(network: PeerNetwork, media: PeerMedia, listener: PeerListener, logger: Logger): Promise<Peer> {
    const heard = { tell: (): void => undefined };
    const parts = await offerConnection(network, {
      transportFeedback: media.estimator !== undefined,
      heard: () => heard.tell(),
    });
    const addresses = network.addresses.length > 0 ? network.addresses : hostAddresses();
    const peer = new Peer(parts, hostCandidates(addresses, parts.port), media, listener, logger);
    heard.tell = () => (peer.#heardAt = performance.now());
    return peer;
  }

  private constructor(
    parts: OfferedConnection,
    candidates: readonly Candidate[],
    media: PeerMedia,
    listener: PeerListener,
    logger: Logger,
  ) {
    this.#parts = parts;
    this.candidates = candidates;
    this.#media = media;
    this.#listener = listener;
    this.#logger = logger;
    this.#estimator = media.estimator && new BandwidthEstimator(media.estimator.initialBitrate);
    this.#video = new MediaSender(media.qualities.default, parts.video, {
      clockRate: VIDEO.clockRate,
      needsKeyFrame: true,
      sent: this.#estimator && ((bytes) => this.#noteSent(bytes)),
    });
    this.#audio = new MediaSender(media.audio, parts.audio, { clockRate: AUDIO.clockRate, needsKeyFrame: false });
    this.#connectTimer = setTimeout(() => void this.close(), CONNECT_TIMEOUT_MS);
    parts.video.onRtcp.subscribe((packet) => this.feedback.receive(packet));
    // werift's own estimate is of no use for choosing, and it never forgets a packet that it noted.
    parts.video.senderBWE.rtpPacketSent = () => undefined;
    parts.video.senderBWE.receiveTWCC = (report) => this.#estimator?.received(report, performance.now());
    parts.audio.senderBWE.rtpPacketSent = () => undefined;
    parts.connection.onTrack.subscribe((track) => listener.shared(track));
    parts.connection.connectionStateChange.subscribe((state) => this.#follow(state));
    parts.channel.onMessage.subscribe((data) => {
      this.#channelBytes.received += data.length;
      if (typeof data !== 'string') listener.message(data);
    });
    parts.channel.stateChanged.subscribe((state) => {
      if (state === 'open') listener.channelOpened();
    });
  }

  /** What to send the viewer. */
  get offer(): string {
    return this.#description();
  }

  get isVideoEnabled(): boolean {
    return this.#wantsVideo;
  }

  get isAudioEnabled(): boolean {
    return this.#wantsAudio;
  }

  /** The quality that it gets, or is about to. */
  get quality(): PacketSource {
    return this.#video.source;
  }

  /** Whether the quality follows what the connection carries. */
  get isAuto(): boolean {
    return this.#isAuto;
  }

  get state(): keyof typeof PEER_STATES {
    return this.#parts.connection.connectionState;
  }

  /** What the connection is thought to carry, in bits a second; undefined where that isn't estimated. */
  get estimate(): number | undefined {
    return this.#estimator?.target;
  }

  /** The viewer's candidates: all that it told of, and those that are in use. */
  get remoteCandidates(): { told: number; used: number } {
    const [transport] = this.#parts.connection.iceTransports;
    const nominated = transport?.connection.nominated === undefined ? 0 : 1;
    return { told: Math.max(this.#toldCandidates, nominated), used: nominated };
  }

  /** How often its state changed. */
  get stateChanges(): number {
    return this.#stateChanges;
  }

  /** What went over it so far. */
  get bytes(): Record<'ice' | 'sctp', { sent: number; received: number }> {
    const [transport] = this.#parts.connection.dtlsTransports;
    return {
      ice: { sent: transport?.bytesSent ?? 0, received: transport?.bytesReceived ?? 0 },
      sctp: { ...this.#channelBytes },
    };
  }

  /** Takes the viewer's answer. Rejects when it is none. */
  async accept(sdp: string): Promise<void> {
    const { connection } = this.#parts;
    await connection.setRemoteDescription({ type: 'answer', sdp: trimAnswer(sdp) });
    if (!this.#isConnected) return;
    checkRestarted(connection).catch((error: unknown) => this.#logger.debug({ err: error }, 'no way after a restart'));
  }

  /** Takes an offer of the viewer's, who wants to send something; resolves with the answer. */
  async answer(sdp: string): Promise<string> {
    const { connection } = this.#parts;
    await connection.setRemoteDescription({ type: 'offer', sdp: trimAnswer(sdp) });
    await connection.setLocalDescription(await connection.createAnswer());
    return this.#description();
  }

  /** Takes a candidate of the viewer's, as RTCIceCandidateInit has it; all sections share the first one's. */
  async addCandidate(candidate: string): Promise<void> {
    if (isPlainUdp(candidate)) {
      this.#toldCandidates += 1;
      await this.#parts.connection.addIceCandidate({ candidate, sdpMid: '0', sdpMLineIndex: 0 });
    }
  }

  /** An offer that starts ICE anew. */
  async restart(): Promise<string> {
    const { connection } = this.#parts;
    await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
    return this.#description();
  }

  setVideo(isEnabled: boolean): void {
    this.#wantsVideo = isEnabled;
    this.#apply();
  }

  setAudio(isEnabled: boolean): void {
    this.#wantsAudio = isEnabled;
    this.#apply();
  }

  /** Keeps picture and sound back, whatever is enabled. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#apply();
  }

  setQuality(source: PacketSource): void {
    this.#video.follow(source);
  }

  /** Returns whether it follows the connection from now on: not where that isn't estimated. */
  setAuto(isAuto: boolean): boolean {
    this.#isAuto = isAuto && this.#media.estimator?.isPassive === false;
    return this.#isAuto;
  }

  /** Sends on the data channel; nothing while it is not open, or its buffer is full. */
  send(event: OutputEvent): void {
    const { channel } = this.#parts;
    if (channel.readyState !== 'open' || channel.bufferedAmount > DATA_BUFFER_MAX_BYTES) return;
    const bytes = encodeOutput(event);
    this.#channelBytes.sent += bytes.length;
    channel.send(Buffer.from(bytes.buffer));
  }

  /** Calls `listener` once it is closed. */
  whenClosed(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** Ends it; resolves once its port is free again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    clearTimeout(this.#connectTimer);
    clearInterval(this.#silenceTimer);
    clearInterval(this.#estimateTimer);
    this.#video.close();
    this.#audio.close();
    this.#listener.closed();
    for (const listener of this.#closeListeners) listener();
    await this.#parts.connection.close();
    this.#parts.release();
  }

  #description(): string {
    return finishOffer(this.#parts.connection.localDescription?.sdp ?? '', this.candidates);
  }

  #apply(): void {
    if (this.#closing !== undefined) return;
    if (this.#wantsVideo && !this.#isPaused) this.#video.enable();
    else this.#video.disable();
    if (this.#wantsAudio && !this.#isPaused) this.#audio.enable();
    else this.#audio.disable();
  }

  #follow(state: string): void {
    this.#logger.debug({ state }, 'peer');
    this.#stateChanges += 1;
    if (state === 'connected' && !this.#isConnected) this.#connected();
    else if (state === 'failed' || state === 'disconnected' || state === 'closed') void this.close();
  }

  #connected(): void {
    this.#isConnected = true;
    clearTimeout(this.#connectTimer);
    this.#heardAt = performance.now();
    this.#silenceTimer = setInterval(() => {
      if (performance.now() - this.#heardAt < SILENCE_MAX_MS) return;
      this.#logger.info(`viewer silent for ${SILENCE_MAX_MS} ms`);
      void this.close();
    }, SILENCE_CHECK_MS);
    const { estimator } = this.#media;
    if (estimator !== undefined) {
      const auto = new AutoQuality(estimator);
      this.#estimateTimer = setInterval(() => this.#choose(auto, estimator), estimator.readIntervalMs);
    }
    this.#video.connected();
    this.#audio.connected();
    this.#listener.connected();
  }

  /** Called right after a packet was given to werift, which numbers it at once. */
  #noteSent(bytes: number): void {
    const [transport] = this.#parts.connection.dtlsTransports;
    if (transport !== undefined) this.#estimator?.sent(transport.transportSequenceNumber, bytes, performance.now());
  }

  #choose(auto: AutoQuality, settings: EstimatorSettings): void {
    if (this.#estimator === undefined || !this.#isAuto || !this.#video.isEnabled) return;
    const look = {
      nowMs: performance.now(),
      target: this.#estimator.target,
      streamBitrate: this.quality.bitrate,
    };
    const way = auto.decide(look);
    if (settings.isDebug) this.#logger.debug({ ...look, quality: this.quality.id, way }, 'estimate');
    const next = way && this.#media.qualities.select({ id: this.quality.id, type: way });
    if (next === undefined) return;
    this.setQuality(next);
    this.#listener.qualityChanged();
  }
}
