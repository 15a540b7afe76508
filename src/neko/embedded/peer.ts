import type { Logger } from 'pino';
import {
  type Address,
  MediaStream,
  MediaStreamTrack,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCDataChannel,
  type RTCRtpSender,
  RtcpPayloadSpecificFeedback,
} from 'werift';
import { encodeOutput, type OutputEvent } from '../../input/data-channel.ts';
import { type Check, LiteNomination } from './lite-nomination.ts';
import { MediaSender } from './media-sender.ts';
import type { MediaSource } from './media-source.ts';
import { AUDIO, VIDEO } from './pipelines.ts';
import {
  type Candidate,
  finishOffer,
  hostAddresses,
  hostCandidates,
  isPlainUdp,
  trimAnswer,
} from './session-description.ts';
import type { UdpPorts } from './udp-ports.ts';

// Whoever has not connected by then is not coming.
const CONNECT_TIMEOUT_MS = 30_000;
// Browsers check the connection every 2.5 s or so; one that is silent for longer is gone without a word.
const SILENCE_MAX_MS = 15_000;
const SILENCE_CHECK_MS = 2500;
// Another program may take a port between our trying it and binding it; that often in a row it is no coincidence.
const BIND_ATTEMPTS_MAX = 5;
// A viewer that doesn't read its data channel gets no more cursors until it has.
const DATA_BUFFER_MAX_BYTES = 1_048_576;

class PortTaken extends Error {}

export interface PeerNetwork {
  ports: UdpPorts;
  iceLite: boolean;
  /** The addresses to offer; empty: this machine's own. */
  addresses: readonly string[];
}

export interface PeerMedia {
  video: MediaSource;
  audio: MediaSource | undefined;
}

/** What happens to a peer, told once each, but for messages. */
export interface PeerListener {
  connected(): void;
  channelOpened(): void;
  message(bytes: Uint8Array): void;
  closed(): void;
}

/** One viewer's WebRTC connection: we offer video, audio and the data channel. */
export class Peer {
  readonly candidates: readonly Candidate[];
  readonly #connection: RTCPeerConnection;
  readonly #channel: RTCDataChannel;
  readonly #video: MediaSender;
  readonly #audio: MediaSender | undefined;
  readonly #listener: PeerListener;
  readonly #release: () => void;
  readonly #logger: Logger;
  readonly #connectTimer: NodeJS.Timeout;
  #silenceTimer: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #hasAudio = false;
  #isConnected = false;
  #closing: Promise<void> | undefined;

  /** Binds a port and prepares the offer. Rejects, and leaves nothing open, when no port can be had. */
  static async open(network: PeerNetwork, media: PeerMedia, listener: PeerListener, logger: Logger): Promise<Peer> {
    for (let attempt = 1; ; attempt += 1) {
      const port = await network.ports.take();
      try {
        return await Peer.#openOn(port, network, media, listener, logger);
      } catch (error) {
        network.ports.release(port);
        if (!(error instanceof PortTaken) || attempt === BIND_ATTEMPTS_MAX) throw error;
      }
    }
  }

  static async #openOn(
    port: number,
    network: PeerNetwork,
    media: PeerMedia,
    listener: PeerListener,
    logger: Logger,
  ): Promise<Peer> {
    const heard = { tell: (): void => undefined };
    const nomination = network.iceLite ? new LiteNomination() : undefined;
    const connection = createConnection(port, network.iceLite, (check, from) => {
      heard.tell();
      return nomination?.admit(check, from) ?? true;
    });
    try {
      // neko's order of sections, and one stream for both, so that browsers keep them in step.
      const stream = new MediaStream({ id: 'stream' });
      const audio = addSender(connection, 'audio', stream);
      const video = addSender(connection, 'video', stream);
      const channel = connection.createDataChannel('data');
      await connection.setLocalDescription(await connection.createOffer());
      nomination?.attach(connection);
      const addresses = network.addresses.length > 0 ? network.addresses : hostAddresses();
      const peer = new Peer(
        { connection, channel, video, audio, candidates: hostCandidates(addresses, boundPort(connection, port)) },
        media,
        listener,
        () => network.ports.release(port),
        logger,
      );
      heard.tell = () => (peer.#heardAt = performance.now());
      return peer;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(
    parts: {
      connection: RTCPeerConnection;
      channel: RTCDataChannel;
      video: RTCRtpSender;
      audio: RTCRtpSender;
      candidates: readonly Candidate[];
    },
    media: PeerMedia,
    listener: PeerListener,
    release: () => void,
    logger: Logger,
  ) {
    this.#connection = parts.connection;
    this.#channel = parts.channel;
    this.candidates = parts.candidates;
    this.#listener = listener;
    this.#release = release;
    this.#logger = logger;
    this.#video = new MediaSender(media.video, parts.video, { clockRate: VIDEO.clockRate, needsKeyFrame: true });
    this.#audio =
      media.audio && new MediaSender(media.audio, parts.audio, { clockRate: AUDIO.clockRate, needsKeyFrame: false });
    this.#connectTimer = setTimeout(() => void this.close(), CONNECT_TIMEOUT_MS);
    parts.video.onRtcp.subscribe((packet) => {
      if (packet.type === RtcpPayloadSpecificFeedback.type && asksForKeyFrame(packet)) this.#video.requestKeyFrame();
    });
    parts.connection.connectionStateChange.subscribe((state) => this.#follow(state));
    parts.channel.onMessage.subscribe((data) => {
      if (typeof data !== 'string') listener.message(data);
    });
    parts.channel.stateChanged.subscribe((state) => {
      if (state === 'open') listener.channelOpened();
    });
  }

  /** What to send the viewer. */
  get offer(): string {
    return finishOffer(this.#connection.localDescription?.sdp ?? '', this.candidates);
  }

  get isVideoEnabled(): boolean {
    return this.#video.isEnabled;
  }

  get isAudioEnabled(): boolean {
    return this.#hasAudio;
  }

  /** Takes the viewer's answer. Rejects when it is none. */
  async accept(sdp: string): Promise<void> {
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: trimAnswer(sdp) });
  }

  /** Takes a candidate of the viewer's, as RTCIceCandidateInit has it; all sections share the first one's. */
  async addCandidate(candidate: string): Promise<void> {
    if (isPlainUdp(candidate)) await this.#connection.addIceCandidate({ candidate, sdpMid: '0', sdpMLineIndex: 0 });
  }

  /** An offer that starts ICE anew. */
  async restart(): Promise<string> {
    await this.#connection.setLocalDescription(await this.#connection.createOffer({ iceRestart: true }));
    return this.offer;
  }

  setVideo(isEnabled: boolean): void {
    if (isEnabled) this.#video.enable();
    else this.#video.disable();
  }

  setAudio(isEnabled: boolean): void {
    this.#hasAudio = isEnabled;
    if (isEnabled) this.#audio?.enable();
    else this.#audio?.disable();
  }

  /** Sends on the data channel; nothing while it is not open, or its buffer is full. */
  send(event: OutputEvent): void {
    if (this.#channel.readyState !== 'open' || this.#channel.bufferedAmount > DATA_BUFFER_MAX_BYTES) return;
    this.#channel.send(Buffer.from(encodeOutput(event).buffer));
  }

  /** Ends it; resolves once its port is free again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    clearTimeout(this.#connectTimer);
    clearInterval(this.#silenceTimer);
    this.#video.close();
    this.#audio?.close();
    this.#listener.closed();
    await this.#connection.close();
    this.#release();
  }

  #follow(state: string): void {
    this.#logger.debug({ state }, 'peer');
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
    this.#video.connected();
    this.#audio?.connected();
    this.#listener.connected();
  }
}

function createConnection(
  port: number,
  iceLite: boolean,
  admit: (check: Check, from: Address) => boolean,
): RTCPeerConnection {
  const [ownAddress] = hostAddresses();
  return new RTCPeerConnection({
    iceServers: [],
    iceLite,
    iceUseIpv4: true,
    iceUseIpv6: false,
    iceUseTcp: false,
    bundlePolicy: 'max-bundle',
    // werift wants two ports, and takes the first that is free.
    icePortRange: [port, port + 1],
    // It binds a socket for each address of the machine, to `udp4`'s address, after leaving out addresses that none of these
    // values names. So with IPv6 off this makes one socket, on all interfaces.
    iceInterfaceAddresses: { udp4: '0.0.0.0', udp6: ownAddress ?? '127.0.0.1' },
    ...(ownAddress === '127.0.0.1' ? { iceAdditionalHostAddresses: [ownAddress] } : {}),
    iceFilterStunResponse: admit,
    codecs: {
      audio: [
        new RTCRtpCodecParameters({
          mimeType: 'audio/opus',
          clockRate: AUDIO.clockRate,
          channels: 2,
          payloadType: AUDIO.payloadType,
          parameters: 'minptime=10;useinbandfec=1;stereo=1',
        }),
      ],
      video: [
        new RTCRtpCodecParameters({
          mimeType: 'video/VP8',
          clockRate: VIDEO.clockRate,
          payloadType: VIDEO.payloadType,
          rtcpFeedback: [{ type: 'ccm', parameter: 'fir' }, { type: 'nack', parameter: 'pli' }, { type: 'nack' }],
        }),
      ],
    },
    headerExtensions: { audio: [], video: [] },
  });
}

function addSender(connection: RTCPeerConnection, kind: 'audio' | 'video', stream: MediaStream): RTCRtpSender {
  const track = new MediaStreamTrack({ kind, id: kind });
  return connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] }).sender;
}

/** The port that was bound. Throws when somebody took it since it was tried. */
function boundPort(connection: RTCPeerConnection, wanted: number): number {
  const [candidate] = connection.iceTransports.flatMap((transport) => transport.getLocalCandidates());
  const bound = Number(candidate?.candidate?.split(' ')[5]);
  if (bound !== wanted) throw new PortTaken(`UDP port ${wanted} was taken by another program`);
  return bound;
}

/** A picture loss indication (1) or a full intra request (4). */
function asksForKeyFrame(packet: RtcpPayloadSpecificFeedback): boolean {
  const count = packet.feedback?.count;
  return count === 1 || count === 4;
}
