import { setTimeout as sleep } from 'node:timers/promises';
import {
  GenericNack,
  type MediaStreamTrack,
  type RTCDataChannel,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCRtpReceiver,
  RtcpSrPacket,
  RtcpTransportLayerFeedback,
  type RtpPacket,
  useTransportWideCC,
  useTWCC,
} from 'werift';
import { checkRestarted } from '../../src/neko/embedded/peer-connection.ts';
import { startsVp8KeyFrame } from '../../src/neko/embedded/rtp-stream.ts';
import { decodeOutput, encodeInput, type InputEvent, type OutputEvent } from '../../src/input/data-channel.ts';

/** Frames come every 40 ms, so this long without one means that they have ended. */
const QUIET_MS = 400;

export interface MediaOptions {
  /** Answers with transport-wide congestion feedback, where the offer has it. */
  transportFeedback?: boolean;
  /** Sends this too, where the offer takes sound. */
  microphone?: MediaStreamTrack;
}

interface Candidate {
  candidate: string;
  sdpMid?: string | null | undefined;
  sdpMLineIndex?: number | null | undefined;
}

type Kind = 'video' | 'audio';
type ConnectionState = RTCPeerConnection['connectionState'];

/** A viewer's end of the WebRTC connection. */
export class ReceivedMedia {
  readonly opened: Promise<void>;
  readonly firstKeyFrame: Promise<RtpPacket>;
  /** The packets, as they came. */
  readonly video: RtpPacket[] = [];
  readonly audio: RtpPacket[] = [];
  /** RTCP sender reports of the video. */
  senderReports = 0;
  readonly outputs: OutputEvent[] = [];
  /** The same as bytes. */
  readonly messages: Buffer[] = [];
  readonly #connection: RTCPeerConnection;
  readonly #waiting = new Set<() => void>();
  readonly #candidates: Candidate[] = [];
  readonly #microphone: MediaStreamTrack | undefined;
  #hasOffer = false;
  #pings = 1_000_000;
  #channel: RTCDataChannel | undefined;

  constructor(options: MediaOptions = {}) {
    const opened = Promise.withResolvers<void>();
    const keyFrame = Promise.withResolvers<RtpPacket>();
    this.#connection = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceAdditionalHostAddresses: ['127.0.0.1'],
      bundlePolicy: 'max-bundle',
      codecs: codecs(options),
      ...(options.transportFeedback === true ? { headerExtensions: { video: [useTransportWideCC()] } } : {}),
    });
    this.#microphone = options.microphone;
    this.#connection.onTransceiverAdded.subscribe(({ kind, receiver }) => {
      receiver.onRtcp.subscribe((packet) => {
        if (kind === 'video' && packet.type === RtcpSrPacket.type) this.senderReports += 1;
        this.#wake();
      });
    });
    this.#connection.onTrack.subscribe((track: MediaStreamTrack) => {
      const packets = track.kind === 'video' ? this.video : this.audio;
      track.onReceiveRtp.subscribe((packet) => {
        packets.push(packet);
        if (track.kind === 'video' && startsVp8KeyFrame(packet.payload)) keyFrame.resolve(packet);
        this.#wake();
      });
    });
    this.#connection.onDataChannel.subscribe((channel) => {
      this.#channel = channel;
      channel.onMessage.subscribe((data) => {
        if (typeof data === 'string') return;
        this.messages.push(data);
        this.outputs.push(decodeOutput(data));
        // The streamer's first words: from now on it hears us too.
        opened.resolve();
        this.#wake();
      });
    });
    this.#connection.connectionStateChange.subscribe(() => this.#wake());
    this.opened = opened.promise;
    this.firstKeyFrame = keyFrame.promise;
  }

  get state(): ConnectionState {
    return this.#connection.connectionState;
  }

  /** The data channel's label and whether it keeps the order. */
  get channel(): { label: string; ordered: boolean } | undefined {
    return this.#channel && { label: this.#channel.label, ordered: this.#channel.ordered };
  }

  async answer(offer: string, send: (sdp: string) => void): Promise<void> {
    await this.#connection.setRemoteDescription({ type: 'offer', sdp: offer });
    await this.#shareMicrophone();
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    send(this.#connection.localDescription?.sdp ?? '');
    this.#hasOffer = true;
    if (this.state === 'connected') void checkRestarted(this.#connection);
    for (const candidate of this.#candidates.splice(0)) await this.#add(candidate);
  }

  /** Candidates from now on are those of a next offer, before which they come. */
  expectOffer(): void {
    this.#hasOffer = false;
  }

  /** Offers anew; resolves with the offer, whose answer `accept` takes. */
  async offer(): Promise<string> {
    await this.#connection.setLocalDescription(await this.#connection.createOffer());
    return this.#connection.localDescription?.sdp ?? '';
  }

  async accept(answer: string): Promise<void> {
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer });
  }

  /** A candidate of the other end; one that comes before its offer waits for it. */
  async candidate(candidate: Candidate): Promise<void> {
    if (this.#hasOffer) await this.#add(candidate);
    else this.#candidates.push(candidate);
  }

  input(event: InputEvent): void {
    this.#channel?.send(Buffer.from(encodeInput(event).buffer));
  }

  sendBytes(bytes: number[]): void {
    this.#channel?.send(Buffer.from(bytes));
  }

  /** Resolves once the desktop has done all input before. */
  async settle(clientMs = (this.#pings += 1)): Promise<void> {
    this.input({ type: 'ping', clientMs });
    await this.until(() => this.outputs.some((one) => one.type === 'pong' && one.clientMs === clientMs));
  }

  /** Asks for a key frame, as a decoder that is lost does. */
  async requestKeyFrame(): Promise<void> {
    await this.#receiver('video').sendRtcpPLI(this.video[0]?.header.ssrc ?? 0);
  }

  /** Loses the next video packet that fits before the receiver, which then asks for it again; resolves with it. */
  loseOne(fits: (packet: RtpPacket) => boolean = () => true): Promise<RtpPacket> {
    const { promise, resolve } = Promise.withResolvers<RtpPacket>();
    const receiver = this.#receiver('video');
    const pass = receiver.handleRtpBySsrc;
    receiver.handleRtpBySsrc = (packet, extensions) => {
      if (!fits(packet)) {
        pass(packet, extensions);
        return;
      }
      receiver.handleRtpBySsrc = pass;
      resolve(packet.clone());
    };
    return promise;
  }

  /** Says that a packet was lost, whether it was or not. */
  async requestAgain(sequenceNumber: number): Promise<void> {
    const receiver = this.#receiver('video');
    const feedback = new GenericNack({
      senderSsrc: receiver.rtcpSsrc,
      mediaSourceSsrc: this.video[0]?.header.ssrc ?? 0,
      lost: [sequenceNumber],
    });
    await receiver.dtlsTransport.sendRtcp([new RtcpTransportLayerFeedback({ feedback })]);
  }

  /** Resolves once `done` holds; asked again whenever something comes. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  /** Resolves once no video has come for a while. */
  async quiet(): Promise<void> {
    let count = -1;
    while (count !== this.video.length) {
      count = this.video.length;
      await sleep(QUIET_MS);
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #receiver(kind: Kind): RTCRtpReceiver {
    const transceiver = this.#connection.getTransceivers().find((one) => one.kind === kind);
    if (transceiver === undefined) throw new Error(`no ${kind} is received`);
    return transceiver.receiver;
  }

  async #shareMicrophone(): Promise<void> {
    if (this.#microphone === undefined) return;
    const transceiver = this.#connection.getTransceivers().find((one) => one.kind === 'audio');
    if (transceiver === undefined) throw new Error('the offer takes no sound');
    await transceiver.sender.replaceTrack(this.#microphone);
    transceiver.setDirection('sendrecv');
  }

  async #add({ candidate, sdpMid, sdpMLineIndex }: Candidate): Promise<void> {
    await this.#connection.addIceCandidate({
      candidate,
      ...(typeof sdpMid === 'string' ? { sdpMid } : {}),
      ...(typeof sdpMLineIndex === 'number' ? { sdpMLineIndex } : {}),
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

function codecs({ transportFeedback = false }: MediaOptions) {
  const feedback = [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }];
  return {
    audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
    video: [
      new RTCRtpCodecParameters({
        mimeType: 'video/VP8',
        clockRate: 90_000,
        rtcpFeedback: transportFeedback ? [...feedback, useTWCC()] : feedback,
      }),
    ],
  };
}
