import { once } from 'node:events';
import {
  type MediaStreamTrack,
  type RTCDataChannel,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RtpPacket,
} from 'werift';
import { WebSocket } from 'ws';
import { decodeOutput, encodeInput, type InputEvent, type OutputEvent } from '../../src/input/data-channel.ts';
import { decodeFromServer, type FromServer, type MemberProfile, SessionData } from '../../src/signaling/messages.ts';
import { startsVp8KeyFrame } from '../../src/neko/embedded/rtp-stream.ts';

const WAIT_MS = 20_000;

type Message<E extends FromServer['event']> = Extract<FromServer, { event: E }>;

/** One login at a neko, real or embedded, with its HTTP API, its WebSocket and its media. */
export class NekoClient implements AsyncDisposable {
  readonly id: string;
  readonly token: string;
  readonly #baseUrl: string;
  readonly #waiting = new Set<() => void>();
  messages: FromServer[] = [];
  socket: WebSocket | undefined;
  media: ReceivedMedia | undefined;

  static async login(baseUrl: string, password: string, username = 'tester'): Promise<NekoClient> {
    const response = await fetch(`${baseUrl}/api/login`, {
      method: 'POST',
      body: JSON.stringify({ username, password }),
    });
    if (!response.ok) throw new Error(`login failed with ${response.status}`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a test names what it expects
    const { id, token } = (await response.json()) as { id: string; token: string };
    return new NekoClient(baseUrl, id, token);
  }

  private constructor(baseUrl: string, id: string, token: string) {
    this.#baseUrl = baseUrl;
    this.id = id;
    this.token = token;
  }

  /** One call of the API; the body is parsed where it is JSON. */
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.#baseUrl}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      body: isJson ? await response.json() : Buffer.from(await response.arrayBuffer()),
    };
  }

  /** What the login may do now. */
  async profile(): Promise<MemberProfile> {
    const { body } = await this.call('GET', '/whoami');
    return SessionData.parse(body).profile;
  }

  /** Opens the WebSocket and waits for system/init. */
  async connect(): Promise<Message<'system/init'>> {
    const socket = new WebSocket(`${this.#baseUrl.replace('http', 'ws')}/api/ws?token=${this.token}`);
    this.socket = socket;
    this.messages = [];
    socket.on('message', (data: Buffer) => {
      if (this.socket !== socket) return;
      this.messages.push(decodeFromServer(data.toString()));
      for (const wake of this.#waiting) wake();
    });
    await once(socket, 'open');
    return this.next('system/init');
  }

  send(event: string, payload?: unknown): void {
    this.socket?.send(JSON.stringify({ event, payload }));
  }

  /** The next message of that event that fits, one that has come already included; it is taken out. */
  async next<E extends FromServer['event']>(
    event: E,
    fits: (message: Message<E>) => boolean = () => true,
  ): Promise<Message<E>> {
    const limit = AbortSignal.timeout(WAIT_MS);
    for (;;) {
      const index = this.messages.findIndex((message) => isOf(message, event) && fits(message));
      const [found] = index < 0 ? [] : this.messages.splice(index, 1);
      if (found !== undefined && isOf(found, event)) return found;
      await this.#more(event, limit);
    }
  }

  /** Joins as a viewer; resolves once the data channel is open. */
  async join(options: { video?: boolean; audio?: boolean } = {}): Promise<ReceivedMedia> {
    this.send('signal/request', {
      video: { disabled: options.video === false },
      audio: { disabled: options.audio === false },
    });
    const media = new ReceivedMedia();
    this.media = media;
    const { payload } = await this.next('signal/provide');
    await media.answer(payload.sdp, (sdp) => this.send('signal/answer', { sdp }));
    await media.opened;
    return media;
  }

  /** How the WebSocket ended. */
  async closed(): Promise<number> {
    if (this.socket === undefined) throw new Error('not connected');
    const [code]: unknown[] = await once(this.socket, 'close');
    return Number(code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket?.terminate();
    await this.media?.close();
  }

  async #more(event: string, limit: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => reject(new Error(`no ${event} in ${WAIT_MS} ms`));
    limit.addEventListener('abort', giveUp);
    this.#waiting.add(resolve);
    try {
      await promise;
    } finally {
      this.#waiting.delete(resolve);
      limit.removeEventListener('abort', giveUp);
    }
  }
}

/** A viewer's end of the WebRTC connection. */
export class ReceivedMedia {
  readonly opened: Promise<void>;
  readonly firstKeyFrame: Promise<RtpPacket>;
  /** The video's packets, as they came. */
  readonly video: RtpPacket[] = [];
  readonly outputs: OutputEvent[] = [];
  readonly #connection: RTCPeerConnection;
  readonly #waiting = new Set<() => void>();
  #channel: RTCDataChannel | undefined;

  constructor() {
    const opened = Promise.withResolvers<void>();
    const keyFrame = Promise.withResolvers<RtpPacket>();
    this.#connection = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceAdditionalHostAddresses: ['127.0.0.1'],
      bundlePolicy: 'max-bundle',
      codecs: {
        audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
        video: [
          new RTCRtpCodecParameters({
            mimeType: 'video/VP8',
            clockRate: 90_000,
            rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
          }),
        ],
      },
    });
    this.#connection.onTrack.subscribe((track: MediaStreamTrack) => {
      if (track.kind !== 'video') return;
      track.onReceiveRtp.subscribe((packet) => {
        this.video.push(packet);
        if (startsVp8KeyFrame(packet.payload)) keyFrame.resolve(packet);
        this.#wake();
      });
    });
    this.#connection.onDataChannel.subscribe((channel) => {
      this.#channel = channel;
      channel.onMessage.subscribe((data) => {
        if (typeof data === 'string') return;
        this.outputs.push(decodeOutput(data));
        this.#wake();
      });
      opened.resolve();
    });
    this.opened = opened.promise;
    this.firstKeyFrame = keyFrame.promise;
  }

  async answer(offer: string, send: (sdp: string) => void): Promise<void> {
    await this.#connection.setRemoteDescription({ type: 'offer', sdp: offer });
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    send(this.#connection.localDescription?.sdp ?? '');
  }

  input(event: InputEvent): void {
    this.#channel?.send(Buffer.from(encodeInput(event).buffer));
  }

  sendBytes(bytes: number[]): void {
    this.#channel?.send(Buffer.from(bytes));
  }

  /** Resolves once the desktop has done all input before. */
  async settle(clientMs: number): Promise<void> {
    this.input({ type: 'ping', clientMs });
    await this.until(() => this.outputs.some((one) => one.type === 'pong' && one.clientMs === clientMs));
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

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

function isOf<E extends FromServer['event']>(message: FromServer, event: E): message is Message<E> {
  return message.event === event;
}
