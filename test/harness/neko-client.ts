import { once } from 'node:events';
import { WebSocket } from 'ws';
import { decodeFromServer, type FromServer, type MemberProfile, SessionData } from '../../src/signaling/messages.ts';
import { type MediaOptions, ReceivedMedia } from './received-media.ts';

export { ReceivedMedia } from './received-media.ts';

const WAIT_MS = 20_000;

type Message<E extends FromServer['event']> = Extract<FromServer, { event: E }>;

export interface JoinOptions extends MediaOptions {
  video?: boolean;
  audio?: boolean;
  request?: unknown;
}

/** One login at a neko, real or embedded, with its HTTP API, its WebSocket and its media. */
export class NekoClient implements AsyncDisposable {
  readonly id: string;
  readonly token: string;
  readonly #baseUrl: string;
  readonly #waiting = new Set<() => void>();
  #settled = 0;
  /** What came and was not taken yet. */
  messages: FromServer[] = [];
  /** All that this connection brought, in order. */
  log: FromServer[] = [];
  /** WebSocket pings that this connection brought. */
  pings = 0;
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

  /** One with a token that is known, or is nobody's. */
  static of(baseUrl: string, { id, token }: { id: string; token: string }): NekoClient {
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
    this.log = [];
    this.pings = 0;
    socket.on('message', (data: Buffer) => {
      if (this.socket === socket) this.#take(decodeFromServer(data.toString()));
    });
    socket.on('ping', () => {
      if (this.socket === socket) this.pings += 1;
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

  /** Resolves once the streamer has dealt with all that was sent before on the WebSocket. */
  async settle(): Promise<void> {
    this.#settled += 1;
    const subject = `settled ${this.#settled}`;
    this.send('send/unicast', { receiver: this.id, subject });
    await this.next('send/unicast', ({ payload }) => payload.subject === subject);
  }

  /** Joins as a viewer; resolves once the data channel is open. `request` is signal/request's payload. */
  async join(options: JoinOptions = {}): Promise<ReceivedMedia> {
    const older = this.media;
    const media = new ReceivedMedia(options);
    this.media = media;
    this.send(
      'signal/request',
      options.request ?? {
        video: { disabled: options.video === false },
        audio: { disabled: options.audio === false },
      },
    );
    const { payload } = await this.next('signal/provide');
    await media.answer(payload.sdp, (sdp) => this.send('signal/answer', { sdp }));
    await media.opened;
    await older?.close();
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

  #take(message: FromServer): void {
    this.log.push(message);
    this.messages.push(message);
    if (message.event === 'signal/candidate') void this.media?.candidate(message.payload);
    for (const wake of this.#waiting) wake();
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

function isOf<E extends FromServer['event']>(message: FromServer, event: E): message is Message<E> {
  return message.event === event;
}
