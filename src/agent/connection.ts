import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import { GatewayError, toGatewayError } from '../errors.ts';
import {
  decodeFromGateway,
  dispatch,
  encodeFromAgent,
  type AgentPayloads,
  type FromGateway,
  type Handlers,
  type GatewayPayloads,
  type Hello,
} from '../protocol/control.ts';
import { CONTROL_FRAME_MAX_BYTES, KEEPALIVE_MS } from '../protocol/limits.ts';
import { closeSocket, CLOSE_NORMAL, failureOfClose } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import { keepAlive } from '../websocket/keep-alive.ts';

const RECONNECT_FIRST_MS = 1000;
const RECONNECT_MAX_MS = 60_000;
/** A connection that lasted so long was a good one: the next loss starts again at the shortest wait. */
const PEACE_MS = 60_000;
const HANDSHAKE_MS = 10_000;
/** Bytes that may wait for a gateway that does not read; more cuts the connection, and the next hello tells the truth anew. */
const QUEUE_MAX_BYTES = 8 * 1024 * 1024;

type Welcome = GatewayPayloads['welcome'];

export interface ConnectionOptions {
  /** The control address of the gateway, ws: or wss:. */
  url: string;
  agentKey: string;
  log: Logger;
  /** Made anew for each connection, for it carries what runs now. */
  hello: () => Hello;
  heartbeat: () => AgentPayloads['heartbeat'];
  handlers: Omit<Handlers<FromGateway>, 'welcome'>;
  onWelcome: (welcome: Welcome) => void;
}

/**
 * The agent's control WebSocket, dialled out and dialled again for ever: 1 s doubling to 60 s, jittered. What is sent while
 * it is away is dropped, since the next hello carries the whole inventory.
 */
export class ControlConnection {
  readonly #options: ConnectionOptions;
  readonly #stopped = new AbortController();
  #socket: WebSocket | undefined;
  #live = false;
  readonly #loop: Promise<void>;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  send<T extends keyof AgentPayloads>(type: T, payload: AgentPayloads[T]): void {
    if (!this.#live || !this.#socket) return;
    if (this.#socket.bufferedAmount > QUEUE_MAX_BYTES) {
      this.#options.log.error('the gateway does not read its control socket; connecting anew');
      this.#socket.terminate();
      return;
    }
    this.#socket.send(encodeFromAgent(type, payload));
  }

  /** Resolves once the socket is closed and none will be dialled any more. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    if (this.#socket) closeSocket(this.#socket, CLOSE_NORMAL, 'AGENT_STOPPED');
    await this.#loop;
  }

  async #run(): Promise<void> {
    let waitMs = RECONNECT_FIRST_MS;
    while (!this.#stopped.signal.aborted) {
      const startedAt = performance.now();
      const replaced = await this.#connectOnce();
      if (this.#stopped.signal.aborted) return;
      if (performance.now() - startedAt > PEACE_MS) waitMs = RECONNECT_FIRST_MS;
      // Two agents with one id would otherwise throw each other out every second.
      if (replaced) waitMs = RECONNECT_MAX_MS;
      await pause(waitMs * (0.5 + Math.random() / 2), this.#stopped.signal);
      waitMs = Math.min(waitMs * 2, RECONNECT_MAX_MS);
    }
  }

  /** One connection from dial to close; resolves true when another agent took its place. */
  #connectOnce(): Promise<boolean> {
    const { url, agentKey, log } = this.#options;
    const socket = new WebSocket(url, {
      headers: { 'x-agent-api-key': agentKey },
      maxPayload: CONTROL_FRAME_MAX_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#socket = socket;
    let heartbeat: NodeJS.Timeout | undefined;
    return new Promise((resolve) => {
      socket.once('open', () => {
        socket.send(encodeFromAgent('hello', this.#options.hello()));
        keepAlive(socket, KEEPALIVE_MS, () => socket.terminate());
      });
      socket.on('message', (bytes) => {
        this.#receive(textOf(bytes), (welcome) => {
          this.#live = true;
          heartbeat = setInterval(() => this.send('heartbeat', this.#options.heartbeat()), welcome.heartbeatMs);
          log.info({ url }, 'connected to the gateway');
          this.#options.onWelcome(welcome);
        });
      });
      socket.on('error', (error) =>
        log.warn({ url, reason: error.message }, 'the gateway cannot be reached; trying again'),
      );
      socket.once('close', (code, reason) => {
        clearInterval(heartbeat);
        this.#live = false;
        this.#socket = undefined;
        const failure = failureOfClose(reason);
        if (!this.#stopped.signal.aborted && code !== 1006)
          log.warn({ code, reason: failure ?? reason.toString() }, 'the gateway closed the control socket');
        resolve(failure === 'AGENT_REPLACED');
      });
    });
  }

  #receive(text: string, welcomed: (welcome: Welcome) => void): void {
    let message: FromGateway;
    try {
      message = decodeFromGateway(text);
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      // A newer gateway may say things that this agent doesn't know; anything else is a broken peer, and a new connection the cure.
      this.#options.log.warn({ err: failure }, 'a control frame was not understood');
      if (failure.code !== 'UNKNOWN_EVENT' && this.#socket) closeSocket(this.#socket, failure.closeCode, failure.code);
      return;
    }
    if (message.type === 'welcome' && this.#live) {
      this.#options.log.warn('the gateway said welcome twice');
      return;
    }
    if (message.type !== 'welcome' && !this.#live) {
      const failure = new GatewayError('BAD_FRAME', `${message.type} before welcome`);
      if (this.#socket) closeSocket(this.#socket, failure.closeCode, failure.code);
      return;
    }
    dispatch<FromGateway>({ ...this.#options.handlers, welcome: welcomed }, message);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
