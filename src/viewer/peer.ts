import { decodeOutput, encodeInput, type InputEvent, type OutputEvent } from '../input/data-channel.ts';

export interface PeerListener {
  /** A local answer or candidate for the streamer. */
  answered(sdp: string): void;
  /** An offer of this viewer's, which shares or stops sharing something. */
  offered(sdp: string): void;
  foundCandidate(candidate: RTCIceCandidateInit): void;
  gotTrack(track: MediaStreamTrack): void;
  channelOpened(): void;
  /** The streamer closed the data channel, as it does when it ends the connection. */
  channelClosed(): void;
  received(event: OutputEvent): void;
  stateChanged(state: RTCPeerConnectionState): void;
  /** The streamer's offer could not be answered. */
  failed(): void;
}

/** Candidates that come before the offer; more than a host with many interfaces has are left out. */
const CANDIDATES_MAX = 128;
/** With more than this waiting to be sent, moves of the pointer are left out: the next one says where it is. */
const BUFFERED_MAX_BYTES = 65_536;

/**
 * One WebRTC connection to the streamer, which makes the offers and the data channel. It exists from the request on,
 * because the streamer's candidates come before its first offer.
 */
export class Peer {
  readonly #listener: PeerListener;
  readonly #candidates: RTCIceCandidateInit[] = [];
  /** Offers and candidates are handled one after the other. */
  #work: Promise<void> = Promise.resolve();
  #connection: RTCPeerConnection | undefined;
  #channel: RTCDataChannel | undefined;
  #isClosed = false;

  constructor(listener: PeerListener) {
    this.#listener = listener;
  }

  /** Takes the streamer's first offer. */
  accept(sdp: string, configuration: RTCConfiguration): void {
    if (this.#isClosed || this.#connection !== undefined) return;
    const connection = new RTCPeerConnection(configuration);
    this.#connection = connection;
    connection.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== '') this.#listener.foundCandidate(candidate.toJSON());
    });
    connection.addEventListener('track', ({ track, receiver }) => {
      holdNothingBack(receiver);
      this.#listener.gotTrack(track);
    });
    connection.addEventListener('datachannel', ({ channel }) => this.#adopt(channel));
    connection.addEventListener('connectionstatechange', () => {
      if (!this.#isClosed) this.#listener.stateChanged(connection.connectionState);
    });
    this.#answer(connection, sdp);
  }

  /** Takes a later offer, also one that restarts ICE. */
  renegotiate(sdp: string): void {
    if (this.#connection !== undefined) this.#answer(this.#connection, sdp);
  }

  /** Sends a track of this viewer's to the desktop, or stops to; takes effect with the streamer's answer. */
  share(track: MediaStreamTrack | undefined): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return Promise.resolve();
    return this.#enqueue(async () => {
      for (const sender of connection.getSenders()) if (sender.track !== null) connection.removeTrack(sender);
      if (track !== undefined) connection.addTrack(track);
      await connection.setLocalDescription();
      const sdp = connection.localDescription?.sdp;
      if (!this.#isClosed && sdp !== undefined) this.#listener.offered(sdp);
    });
  }

  /** Takes the streamer's answer to an offer of ours. */
  acceptAnswer(sdp: string): void {
    const connection = this.#connection;
    if (connection?.signalingState !== 'have-local-offer') return;
    this.#enqueue(() => connection.setRemoteDescription({ type: 'answer', sdp })).catch(() => this.#fail());
  }

  addCandidate(candidate: RTCIceCandidateInit): void {
    if (this.#connection === undefined) {
      if (this.#candidates.length < CANDIDATES_MAX) this.#candidates.push(candidate);
      return;
    }
    this.#addCandidate(this.#connection, candidate);
  }

  get state(): RTCPeerConnectionState {
    return this.#connection?.connectionState ?? 'new';
  }

  /** Sends over the data channel; false where it is not open, and the caller takes the WebSocket. */
  send(event: InputEvent): boolean {
    if (this.#channel?.readyState !== 'open') return false;
    if (event.type === 'move' && this.#channel.bufferedAmount > BUFFERED_MAX_BYTES) return true;
    this.#channel.send(encodeInput(event));
    return true;
  }

  async readStats(): Promise<RTCStatsReport | undefined> {
    return await this.#connection?.getStats();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  #answer(connection: RTCPeerConnection, sdp: string): void {
    this.#enqueue(async () => {
      await connection.setRemoteDescription({ type: 'offer', sdp });
      for (const candidate of this.#candidates.splice(0)) this.#addCandidate(connection, candidate);
      const answer = await connection.createAnswer();
      const stereo = withStereo(answer.sdp ?? '');
      await connection.setLocalDescription({ type: 'answer', sdp: stereo });
      if (!this.#isClosed) this.#listener.answered(stereo);
    }).catch(() => this.#fail());
  }

  #addCandidate(connection: RTCPeerConnection, candidate: RTCIceCandidateInit): void {
    // One of several ways to the host, perhaps of a kind that this browser doesn't know: the others remain.
    this.#enqueue(() => connection.addIceCandidate(candidate)).catch(() => undefined);
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  #fail(): void {
    if (!this.#isClosed) this.#listener.failed();
  }

  #adopt(channel: RTCDataChannel): void {
    channel.binaryType = 'arraybuffer';
    this.#channel = channel;
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      const event = data instanceof ArrayBuffer ? readOutput(new Uint8Array(data)) : undefined;
      if (event !== undefined && !this.#isClosed) this.#listener.received(event);
    });
    channel.addEventListener('close', () => {
      if (!this.#isClosed) this.#listener.channelClosed();
    });
    if (channel.readyState === 'open') this.#listener.channelOpened();
    else channel.addEventListener('open', () => this.#listener.channelOpened(), { once: true });
  }
}

function readOutput(bytes: Uint8Array): OutputEvent | undefined {
  try {
    return decodeOutput(bytes);
  } catch {
    // A message of a newer streamer, nothing that a viewer needs to stop for.
    return undefined;
  }
}

/** A desktop is driven by what is seen, so frames are shown as they come rather than smoothed. */
function holdNothingBack(receiver: RTCRtpReceiver): void {
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
  // The name before, in Chromium up to 123; no browser without either is harmed.
  else Object.assign(receiver, { playoutDelayHint: 0 });
}

/** Chromium plays Opus in mono unless the answer asks for stereo. */
function withStereo(sdp: string): string {
  return sdp.replace(/^a=fmtp:.*useinbandfec=1.*$/gm, (line) =>
    line.includes('stereo=1') ? line : `${line};stereo=1`,
  );
}
