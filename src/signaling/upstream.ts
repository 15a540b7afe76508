import { WebSocket } from 'ws';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { KEEPALIVE_MS, SIGNALING_FRAME_MAX_BYTES } from '../protocol/limits.ts';
import { closedOf, closeSocket, CLOSE_NORMAL } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import { keepAlive } from '../websocket/keep-alive.ts';

/** neko answers on the same host, so longer than this for its first word means that it hangs. */
const UPSTREAM_OPEN_MS = 10_000;
/** Time that neko has to end a connection that a newer one replaced; then it is cut. */
const REPLACED_MS = 5000;

const DISCONNECT_START = '{"event":"system/disconnect"';
const HEARTBEAT_START = '{"event":"system/heartbeat"';
const INIT_START = '{"event":"system/init"';
const HOST_START = '{"event":"control/host"';

const ControlHost = z.object({ has_host: z.boolean(), host_id: z.string().optional() });
const Init = z.object({ payload: z.object({ control_host: ControlHost }) });
const Host = z.object({ payload: ControlHost });

/** One login's WebSocket at neko. What it says goes to one reader at a time. */
export class Upstream {
  /** Resolves, never rejects, with what it means, once the connection is gone. */
  readonly closed: Promise<GatewayError>;
  readonly #socket: WebSocket;
  readonly #unread: string[] = [];
  #farewell: string | undefined;
  #hostId: string | undefined;
  /** Called when somebody else, or nobody, has the controls. */
  onHostChange: () => void = () => undefined;
  #read: ((frame: string) => void) | undefined;
  #endKeepAlive: () => void = () => undefined;

  /**
   * Resolves once neko has said its first word, which is kept for the reader. neko takes every WebSocket and only then says that
   * it knows no such login. @throws GatewayError NEKO_UNREACHABLE | NEKO_REFUSED
   */
  static async open(url: string): Promise<Upstream> {
    const socket = new WebSocket(url, {
      maxPayload: SIGNALING_FRAME_MAX_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: UPSTREAM_OPEN_MS,
    });
    const first = Promise.withResolvers<string>();
    const unread: string[] = [];
    const hear = (bytes: Parameters<typeof textOf>[0]): void => {
      unread.push(textOf(bytes));
      // What came in the same packet is still handed over; the rest waits in the kernel.
      socket.pause();
      first.resolve(unread[0] ?? '');
    };
    const fail = (why: string, cause?: unknown): void =>
      first.reject(new GatewayError('NEKO_UNREACHABLE', `neko refused its WebSocket: ${why}`, { cause }));
    const onError = (cause: Error): void => fail(cause.message, cause);
    const onClose = (code: number): void => fail(`closed with ${code} before its first word`);
    const timer = setTimeout(() => fail(`no word in ${UPSTREAM_OPEN_MS} ms`), UPSTREAM_OPEN_MS);
    socket.on('message', hear).on('error', onError).once('close', onClose);
    try {
      const word = await first.promise;
      if (word.startsWith(DISCONNECT_START))
        throw new GatewayError('NEKO_REFUSED', `neko refused its WebSocket: ${word.slice(0, 200)}`);
      socket.off('message', hear).off('close', onClose);
      return new Upstream(socket, unread);
    } catch (thrown) {
      socket.resume();
      socket.terminate();
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(socket: WebSocket, unread: string[]) {
    this.#socket = socket;
    for (const frame of unread) this.#receive(frame);
    socket.on('message', (bytes) => this.#receive(textOf(bytes)));
    this.expectAnswers(true);
    this.closed = closedOf(socket).then(() => failureOfNeko(this.#farewell));
  }

  /** Hands what neko says to this reader from now on, what nobody has read yet first. */
  read(reader: (frame: string) => void): void {
    this.#read = reader;
    for (const frame of this.#unread.splice(0)) reader(frame);
    this.#socket.resume();
  }

  /** Whether silence means that neko is gone; not so while it is frozen. */
  expectAnswers(isExpected: boolean): void {
    this.#endKeepAlive();
    if (isExpected) this.#endKeepAlive = keepAlive(this.#socket, KEEPALIVE_MS, () => this.#socket.terminate());
  }

  /** Keeps the connection without a client: answers heartbeats, drops the rest. */
  hold(): void {
    this.read((frame) => {
      if (frame.startsWith(HEARTBEAT_START)) this.send('{"event":"client/heartbeat"}');
    });
  }

  /** neko's own name of the login that has the controls. */
  get hostId(): string | undefined {
    return this.#hostId;
  }

  send(frame: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame);
  }

  /** Bytes that neko has not taken yet. */
  get queued(): number {
    return this.#socket.bufferedAmount;
  }

  /** Leaves: neko frees the controls at once. */
  close(): void {
    this.#socket.resume();
    closeSocket(this.#socket, CLOSE_NORMAL, '');
  }

  /**
   * Leaves the end to neko, which ends this connection when it has the newer one of the same login: closing it before would
   * take the controls from the login.
   */
  yield(): void {
    this.hold();
    const timer = setTimeout(() => this.#socket.terminate(), REPLACED_MS);
    void this.closed.then(() => clearTimeout(timer));
  }

  #receive(frame: string): void {
    if (frame.startsWith(DISCONNECT_START)) this.#farewell = frame;
    if (frame.startsWith(INIT_START) || frame.startsWith(HOST_START)) this.#noteHost(frame);
    if (this.#read) this.#read(frame);
    else this.#unread.push(frame);
  }

  #noteHost(frame: string): void {
    const host = hostOf(frame);
    if (!host) return;
    const hostId = host.has_host ? host.host_id : undefined;
    if (hostId === this.#hostId) return;
    this.#hostId = hostId;
    this.onHostChange();
  }
}

/** @returns undefined for a frame that says nothing of it */
function hostOf(frame: string): z.infer<typeof ControlHost> | undefined {
  let json: unknown;
  try {
    json = JSON.parse(frame);
  } catch {
    return undefined;
  }
  return Host.safeParse(json).data?.payload ?? Init.safeParse(json).data?.payload.control_host;
}

/** neko says why when it ends a connection on purpose; a socket that just breaks means that neko itself went away. */
function failureOfNeko(farewell: string | undefined): GatewayError {
  // What a neko says that is told to end: the supervisor starts the next one. (websocket/manager.go at baf21c1)
  if (farewell === undefined || farewell.includes('"connection shutdown"'))
    return new GatewayError('STREAMER_LOST', 'the streamer went away; it is being restarted');
  return new GatewayError('NEKO_REFUSED', `neko ended the login: ${farewell.slice(0, 200)}`);
}
