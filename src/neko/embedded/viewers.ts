import type { Logger } from 'pino';
import { decodeInput, type InputEvent } from '../../input/data-channel.ts';
import type { FromClient, IceServer } from '../../signaling/messages.ts';
import type { Desktop } from './desktop.ts';
import { Peer, type PeerMedia, type PeerNetwork } from './peer.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';

type SignalRequest = Extract<FromClient, { event: 'signal/request' }>['payload'];
type VideoRequest = Extract<FromClient, { event: 'signal/video' }>['payload'];

const VIDEO_ID = 'main';

export interface ViewersOptions {
  network: PeerNetwork;
  media: PeerMedia;
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
  readonly #stopWatchingCursor: () => void;

  constructor(room: Room, desktop: Desktop, options: ViewersOptions, logger: Logger) {
    this.#room = room;
    this.#desktop = desktop;
    this.#options = options;
    this.#logger = logger;
    this.#stopWatchingCursor = desktop.cursor.watch((image) => {
      for (const peer of this.#peers.keys()) peer.send({ type: 'cursor-image', ...image });
    });
  }

  /** How many there are, connected or on the way. */
  get count(): number {
    return this.#peers.size;
  }

  /** Makes a new connection for the session, in place of one that it has, and sends the offer. */
  async open(session: Session, request: SignalRequest): Promise<void> {
    const logger = this.#logger.child({ session: session.id });
    const box: { peer?: Peer } = {};
    const peer = await Peer.open(
      this.#options.network,
      this.#options.media,
      {
        connected: () => {
          if (session.peer === box.peer) this.#room.setWatching(session, true);
        },
        channelOpened: () => void this.#greet(session, box.peer),
        message: (bytes) => this.#receive(session, box.peer, bytes),
        closed: () => this.#forget(session, box.peer),
      },
      logger,
    );
    box.peer = peer;
    if (this.#room.find(session.id) !== session) {
      await peer.close();
      return;
    }
    const replaced = session.peer;
    session.peer = peer;
    this.#peers.set(peer, session);
    void replaced?.close();
    const video = { disabled: request.video?.disabled === true, id: VIDEO_ID, video: VIDEO_ID, auto: false };
    const audio = { disabled: request.audio?.disabled === true };
    for (const candidate of peer.candidates) session.send('signal/candidate', { ...candidate });
    session.send('signal/provide', { sdp: peer.offer, iceservers: [...this.#options.iceServers], video, audio });
    session.send('signal/audio', audio);
    session.send('signal/video', video);
    // Starting a pipeline holds us up for some milliseconds: the viewer has its offer by then.
    peer.setVideo(!video.disabled);
    peer.setAudio(!audio.disabled);
  }

  /** Applies what a viewer asks of its video. There is one stream, so a selector can only choose that. */
  setVideo(session: Session, request: VideoRequest): void {
    const { peer } = session;
    if (peer === undefined || request.disabled === undefined || request.disabled === !peer.isVideoEnabled) return;
    peer.setVideo(!request.disabled);
    session.send('signal/video', videoOf(peer));
  }

  setAudio(session: Session, isDisabled: boolean): void {
    const { peer } = session;
    if (peer === undefined || isDisabled === !peer.isAudioEnabled) return;
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
    }
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
  return { disabled: !peer.isVideoEnabled, id: VIDEO_ID, video: VIDEO_ID, auto: false };
}
