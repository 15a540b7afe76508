import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { GatewayError, type FailureCode } from '../errors.ts';
import { decodeFromServer, type FromClientEvent, type FromServer } from '../signaling/messages.ts';
import { closeSocket, CLOSE_NORMAL, failureOfClose } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import type { Size } from './space.ts';

type Signal = Extract<FromServer, { event: `signal/${string}` }>;

/** How long the streamer may take to say that it has done all before; then it is taken for gone. Its X server may be busy. */
const FENCE_MS = 10_000;
const FENCE_SUBJECT = 'nekogate/fence';
/** Names at neko differ by the start of the login's id, which the agent adds. */
const LOGIN_MARK = /-[0-9a-f]{8}$/;

/** One login's signaling as a program uses it: who drives, how large the screen is, and whether all before was done. */
export class Seat {
  /** Resolves, never rejects, with the reason of its end. */
  readonly closed: Promise<GatewayError>;
  /** Somebody else, by neko's name of their login, asks for the controls. */
  onAsked: (id: string) => void = () => undefined;
  /** The controls went from one to another, or to nobody. */
  onHostChange: () => void = () => undefined;
  onSignal: (signal: Signal) => void = () => undefined;
  readonly #socket: WebSocket;
  readonly #log: Logger;
  readonly #names = new Map<string, string>();
  readonly #fences = new Map<string, PromiseWithResolvers<void>>();
  #end: GatewayError | undefined;
  readonly #ready = Promise.withResolvers<void>();
  #id = '';
  #hostId: string | undefined;
  #hostChanges = 0;
  #areControlsLocked = false;
  #screen: Size = { width: 0, height: 0 };
  #fenceCount = 0;

  /**
   * Takes over a login's socket, open and paused. Resolves once the streamer has said how the room is.
   * @throws GatewayError STREAMER_LOST | why the login ended instead; the socket is closed then
   */
  static async open(socket: WebSocket, log: Logger): Promise<Seat> {
    const seat = new Seat(socket, log);
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => limit.reject(new GatewayError('STREAMER_LOST', `the streamer has said nothing for ${FENCE_MS} ms`)),
      FENCE_MS,
    );
    socket.resume();
    try {
      const ended = seat.closed.then((failure) => Promise.reject(failure));
      await Promise.race([seat.#ready.promise, ended, limit.promise]);
      return seat;
    } catch (thrown) {
      seat.close();
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(socket: WebSocket, log: Logger) {
    this.#socket = socket;
    this.#log = log;
    socket.on('message', (bytes) => this.#receive(textOf(bytes)));
    this.closed = new Promise((resolve) => {
      socket.once('close', (_code, reason) => {
        const end = endOf(failureOfClose(reason));
        this.#end = end;
        // Told one by one: waiting for `closed`, each of a login's fences would leave something there until its end.
        for (const { reject } of this.#fences.values()) reject(end);
        resolve(end);
      });
    });
  }

  get screen(): Size {
    return this.#screen;
  }

  get isDriving(): boolean {
    return this.#hostId === this.#id;
  }

  /** neko's own name of this login. */
  get id(): string {
    return this.#id;
  }

  /** neko's name of the login that has the controls. */
  get hostId(): string | undefined {
    return this.#hostId;
  }

  nameOf(id: string): string {
    return this.#names.get(id)?.replace(LOGIN_MARK, '') ?? 'somebody else';
  }

  get areControlsLocked(): boolean {
    return this.#areControlsLocked;
  }

  /** How often the controls have gone from one to another; unequal before and after, they may have been away meanwhile. */
  get hostChanges(): number {
    return this.#hostChanges;
  }

  send(event: FromClientEvent, payload: object = {}): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify({ event, payload }));
  }

  /**
   * Resolves once the streamer has done all that was sent before, and all of that which it told everybody was heard: neko handles a
   * login's messages one by one and answers one to itself in turn (websocket/manager.go and handler/send.go at baf21c1).
   * @throws GatewayError STREAMER_LOST | why the login ended; the signal's reason
   */
  async fence(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#end) throw this.#end;
    const subject = `${FENCE_SUBJECT}/${(this.#fenceCount += 1)}`;
    const passed = Promise.withResolvers<void>();
    const onAbort = (): void => passed.reject(signal?.reason);
    const timer = setTimeout(
      () => passed.reject(new GatewayError('STREAMER_LOST', `the streamer has not answered for ${FENCE_MS} ms`)),
      FENCE_MS,
    );
    signal?.addEventListener('abort', onAbort);
    this.#fences.set(subject, passed);
    this.send('send/unicast', { receiver: this.#id, subject });
    try {
      await passed.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#fences.delete(subject);
    }
  }

  /** Leaves; the streamer frees the controls at once. */
  close(): void {
    closeSocket(this.#socket, CLOSE_NORMAL, '');
  }

  #receive(frame: string): void {
    let message: FromServer;
    try {
      message = decodeFromServer(frame);
    } catch (error) {
      // A frame of ours, or an event of a newer neko: nothing here depends on it.
      this.#log.debug({ err: error }, 'a frame that a program has no use for');
      return;
    }
    this.#handle(message);
  }

  #handle(message: FromServer): void {
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- most of what neko tells is for people who watch
    switch (message.event) {
      case 'system/init': {
        const { session_id: id, control_host: host, screen_size: screen, sessions, settings } = message.payload;
        this.#id = id;
        this.#setHost(host);
        this.#screen = { width: screen.width, height: screen.height };
        this.#areControlsLocked = settings.locked_controls;
        for (const session of Object.values(sessions)) this.#names.set(session.id, session.profile.name);
        this.#ready.resolve();
        break;
      }
      case 'system/heartbeat':
        this.send('client/heartbeat');
        break;
      case 'system/settings':
        this.#areControlsLocked = message.payload.locked_controls;
        break;
      case 'screen/updated':
        this.#screen = { width: message.payload.width, height: message.payload.height };
        break;
      case 'session/created':
        this.#names.set(message.payload.id, message.payload.profile.name);
        break;
      case 'session/deleted':
        this.#names.delete(message.payload.id);
        break;
      case 'control/host':
        this.#setHost(message.payload);
        break;
      case 'control/request':
        // neko tells it to who asked, too.
        if (message.payload.id !== this.#id) this.onAsked(message.payload.id);
        break;
      case 'send/unicast':
        if (message.payload.sender === this.#id) this.#fences.get(message.payload.subject)?.resolve();
        break;
      case 'signal/provide':
      case 'signal/candidate':
      case 'signal/close':
        this.onSignal(message);
        break;
      default:
    }
  }

  #setHost({ has_host, host_id }: { has_host: boolean; host_id?: string | undefined }): void {
    const hostId = has_host ? host_id : undefined;
    if (hostId === this.#hostId) return;
    this.#hostId = hostId;
    this.#hostChanges += 1;
    this.onHostChange();
  }
}

/** A peer names a failure as the reason of its close; any other end is a loss. */
function endOf(code: FailureCode = 'AGENT_OFFLINE'): GatewayError {
  return new GatewayError(code, `the program's login has ended: ${code}`);
}
