import type { Logger } from 'pino';
import type { MediaStreamTrack } from 'werift';
import { decodeInput, type InputEvent } from '../../input/data-channel.ts';
import type { FromClient, IceServer } from '../../signaling/messages.ts';
import type { Desktop } from './desktop.ts';
import { InactiveCursors } from './inactive-cursors.ts';
import type { Microphone } from './microphone.ts';
import { Peer, type PeerMedia } from './peer.ts';
import type { PeerNetwork } from './peer-connection.ts';
import { Refused } from './refused.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';

type SignalRequest = Extract<FromClient, { event: 'signal/request' }>['payload'];
type VideoRequest = Extract<FromClient, { event: 'signal/video' }>['payload'];

export interface ViewersOptions {
  network: PeerNetwork;
  media: PeerMedia;
  /** Undefined: what viewers say is not heard. */
  microphone: Microphone | undefined;
  /** What viewers are told to use. */
  iceServers: readonly IceServer[];
}

/** The sessions' WebRTC connections, and what flows on their data channels: the host's input in, cursors out. */
export class Viewers {
  readonly #room: Room;
  readonly #desktop: Desktop;
  readonly #options: ViewersOptions;
  readonly #logger: Logger;
  readonly #peers = new Map<Peer, Session>();
  readonly #inactiveCursors: InactiveCursors;
  readonly #stopWatchingCursor: () => void;

  constructor(room: Room, desktop: Desktop, options: ViewersOptions, logger: Logger) {
    this.#room = room;
    this.#desktop = desktop;
    this.#options = options;
    this.#logger = logger;
    this.#inactiveCursors = new InactiveCursors(room);
    this.#stopWatchingCursor = desktop.cursor.watch((image) => {
      for (const peer of this.#peers.keys()) peer.send({ type: 'cursor-image', ...image });
    });
  }

  /** Gets the default picture and the sound ready for somebody who came and is likely to ask for them. */
  expect(session: Session): void {
    if (!session.profile.can_watch || this.#room.isShutOut(session)) return;
    const { qualities, audio } = this.#options.media;
    qualities.default.expect();
    audio.expect();
  }

  /** Makes a new connection for the session, in place of one that it has, and sends the offer. */
  async open(session: Session, request: SignalRequest): Promise<void> {
    const { media, network, iceServers } = this.#options;
    const { selector } = request.video ?? {};
    const quality = selector === undefined ? media.qualities.default : media.qualities.select(selector);
    if (quality === undefined) throw new Refused('there is no such quality');
    const box: { peer?: Peer } = {};
    const peer = await Peer.open(
      network,
      media,
      {
        connected: () => {
          if (session.peer === box.peer) this.#room.setWatching(session, true);
        },
        channelOpened: () => void this.#greet(session, box.peer),
        message: (bytes) => this.#receive(session, box.peer, bytes),
        shared: (track) => this.#share(session, box.peer, track),
        qualityChanged: () => {
          if (box.peer !== undefined) session.send('signal/video', videoOf(box.peer));
        },
        closed: () => this.#forget(session, box.peer),
      },
      this.#logger.child({ session: session.id }),
    );
    box.peer = peer;
    if (this.#room.find(session.id) !== session) {
      await peer.close();
      return;
    }
    const replaced = session.peer;
    session.adopt(peer);
    this.#peers.set(peer, session);
    void replaced?.close();
    peer.setQuality(quality);
    peer.setAuto(request.video?.auto ?? request.auto ?? false);
    peer.setPaused(this.#room.isShutOut(session));
    const hasVideo = request.video?.disabled !== true;
    const hasAudio = request.audio?.disabled !== true;
    const video = { ...videoOf(peer), disabled: !hasVideo };
    const audio = { disabled: !hasAudio };
    for (const candidate of peer.candidates) session.send('signal/candidate', { ...candidate });
    session.send('signal/provide', { sdp: peer.offer, iceservers: [...iceServers], video, audio });
    session.send('signal/video', video);
    if (hasAudio) session.send('signal/audio', audio);
    // Starting a pipeline holds us up for some milliseconds: the viewer has its offer by then.
    peer.setVideo(hasVideo);
    peer.setAudio(hasAudio);
  }

  /** Applies what a viewer asks of its video, and tells it when that changed anything. */
  setVideo(session: Session, request: VideoRequest): void {
    const { peer } = session;
    if (peer === undefined) throw new Refused('webRTC peer does not exist');
    const before = JSON.stringify(videoOf(peer));
    if (request.disabled !== undefined) peer.setVideo(!request.disabled);
    const quality = request.selector && this.#options.media.qualities.select(request.selector);
    if (quality !== undefined) peer.setQuality(quality);
    const isMissing = request.selector !== undefined && quality === undefined;
    if (request.auto !== undefined && !isMissing) peer.setAuto(request.auto);
    const now = videoOf(peer);
    if (JSON.stringify(now) !== before) session.send('signal/video', now);
    if (isMissing) throw new Refused('there is no such quality');
  }

  setAudio(session: Session, isDisabled: boolean): void {
    const { peer } = session;
    if (peer === undefined) throw new Refused('webRTC peer does not exist');
    if (isDisabled === !peer.isAudioEnabled) return;
    peer.setAudio(!isDisabled);
    session.send('signal/audio', { disabled: isDisabled });
  }

  /** Shows all viewers but the host, who sees his own, where the pointer is. */
  tellPosition(x: number, y: number): void {
    for (const [peer, session] of this.#peers) {
      if (!this.#room.isHost(session)) peer.send({ type: 'cursor-position', x, y });
    }
  }

  close(): void {
    this.#inactiveCursors.close();
    this.#stopWatchingCursor();
  }

  async #greet(session: Session, peer: Peer | undefined): Promise<void> {
    try {
      const [image, position] = await Promise.all([this.#desktop.cursor.image(), this.#desktop.cursor.position()]);
      peer?.send({ type: 'cursor-image', ...image });
      if (!this.#room.isHost(session)) peer?.send({ type: 'cursor-position', ...position });
    } catch (error) {
      this.#logger.debug({ err: error }, 'no cursor to show');
    }
  }

  #receive(session: Session, peer: Peer | undefined, bytes: Uint8Array): void {
    const event = this.#decode(bytes);
    if (event === undefined) return;
    if (event.type === 'ping') void this.#answer(peer, event.clientMs);
    else if (this.#room.isHost(session)) {
      this.#desktop.input.handle(event);
      if (event.type === 'move') this.tellPosition(event.x, event.y);
    } else if (event.type === 'move') this.#inactiveCursors.set(session, { x: event.x, y: event.y });
  }

  #decode(bytes: Uint8Array): InputEvent | undefined {
    try {
      return decodeInput(bytes);
    } catch (error) {
      this.#logger.warn({ err: error }, 'bad data-channel message');
      return undefined;
    }
  }

  /** The pong says that the desktop has done all that came before the ping. */
  async #answer(peer: Peer | undefined, clientMs: number): Promise<void> {
    try {
      await this.#desktop.input.settled();
      peer?.send({ type: 'pong', clientMs, serverMs: Date.now() });
    } catch (error) {
      this.#logger.debug({ err: error }, 'no pong');
    }
  }

  /** Gives the viewer the microphone, the one who had it last lets go. Its right to it counts at that moment. */
  #share(session: Session, peer: Peer | undefined, track: MediaStreamTrack): void {
    const { microphone } = this.#options;
    if (peer === undefined || track.kind !== 'audio' || microphone === undefined) return;
    if (!session.profile.can_share_media) {
      this.#logger.warn({ session: session.id }, 'may not share media');
      return;
    }
    const opened: { speaker?: ReturnType<Microphone['open']> } = {};
    track.onReceiveRtp.subscribe((packet) => {
      if (session.peer !== peer || !session.profile.can_share_media) return;
      // With the first packet: who merely may speak takes it from nobody.
      opened.speaker ??= microphone.open();
      opened.speaker.write(packet.serialize());
    });
    peer.whenClosed(() => opened.speaker?.close());
  }

  #forget(session: Session, peer: Peer | undefined): void {
    if (peer === undefined) return;
    this.#peers.delete(peer);
    if (session.peer !== peer) return;
    session.peer = undefined;
    this.#room.setWatching(session, false);
    session.send('signal/close', undefined);
  }
}

function videoOf(peer: Peer): { disabled: boolean; id: string; video: string; auto: boolean } {
  const { id } = peer.quality;
  return { disabled: !peer.isVideoEnabled, id, video: id, auto: peer.isAuto };
}
