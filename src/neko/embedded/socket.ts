import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocket, WebSocketServer } from 'ws';
import { decodeFromClient, type FromClient, type FromClientHandlers } from '../../signaling/messages.ts';
import { textOf } from '../../websocket/frames.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';
import { clientHandlers, type RoomParts } from './client-events.ts';
import { Refused } from './refused.ts';
import type { ServerEvent, Session, Socket } from './session.ts';

const HEARTBEAT_MS = 10_000;
// The longest message is a clipboard text, at most 1 MiB, of which JSON may make six times as much. A longer one closes with 1009.
const MESSAGE_MAX_BYTES = 8 * 1024 * 1024;
// A client that reads so slowly is cut off, and counts as lost.
const SEND_BUFFER_MAX_BYTES = 16 * 1024 * 1024;
// Messages are handled one after the other; more than this waiting means a client that floods us: it is cut off.
const WAITING_MAX = 1000;

const NORMAL = 1000;
const GOING_AWAY = 1001;

/** Takes the upgrades of `/api/ws`. As neko does, it accepts first and then says by system/disconnect what is wrong. */
export class SocketServer {
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_MAX_BYTES });
  readonly #parts: RoomParts;
  readonly #logger: Logger;

  constructor(parts: RoomParts, logger: Logger) {
    this.#parts = parts;
    this.#logger = logger;
  }

  /** `session` is who the request comes from, or why that isn't known. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, session: Session | string): void {
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      // A bad frame also ends the connection, which its 'close' tells.
      webSocket.on('error', (error) => this.#logger.debug({ err: error }, 'WebSocket error'));
      const refusal = typeof session === 'string' ? session : this.#refusal(session);
      if (typeof session === 'string' || refusal !== undefined) {
        new ClientSocket(webSocket).destroy(refusal ?? '');
        return;
      }
      this.#serve(webSocket, session);
    });
  }

  /** Cuts what is open, and refuses what comes. */
  close(): void {
    this.#server.close();
    for (const webSocket of this.#server.clients) webSocket.terminate();
  }

  #refusal(session: Session): string | undefined {
    if (!session.profile.can_connect) return 'connection disabled';
    const { merciful_reconnect: isMerciful } = this.#parts.room.settings;
    return session.state.is_connected && !isMerciful ? 'already connected' : undefined;
  }

  #serve(webSocket: WebSocket, session: Session): void {
    const { room } = this.#parts;
    const logger = this.#logger.child({ session: session.id });
    const socket = new ClientSocket(webSocket);
    const handlers = clientHandlers(this.#parts, session, logger);
    const heartbeat = setInterval(() => socket.send('system/heartbeat', undefined), HEARTBEAT_MS);
    keepAlive(webSocket, HEARTBEAT_MS, () => webSocket.terminate());
    webSocket.on('close', (code) => {
      clearInterval(heartbeat);
      logger.info({ code }, 'connection ended');
      if (code === NORMAL || code === GOING_AWAY) room.leave(session, socket);
      else room.lose(session, socket);
    });
    logger.info('connection started');
    this.#parts.viewers.expect(session);
    const greeted = room.connect(session, socket).catch((error: unknown) => {
      logger.warn({ err: error }, 'connection could not be set up');
      webSocket.terminate();
    });
    const inbox = new Inbox(greeted, handlers, { logger, overflow: () => webSocket.terminate() });
    webSocket.on('message', (data) => inbox.receive(textOf(data)));
  }
}

/** Handles one client's messages in the order in which they came, from the moment on that the client has all of its greeting. */
class Inbox {
  readonly #handlers: FromClientHandlers;
  readonly #logger: Logger;
  readonly #overflow: () => void;
  #tail: Promise<void>;
  #waiting = 0;

  constructor(
    greeted: Promise<void>,
    handlers: FromClientHandlers,
    { logger, overflow }: { logger: Logger; overflow: () => void },
  ) {
    this.#tail = greeted;
    this.#handlers = handlers;
    this.#logger = logger;
    this.#overflow = overflow;
  }

  receive(text: string): void {
    const message = this.#decode(text);
    if (message === undefined) return;
    if (this.#waiting >= WAITING_MAX) {
      this.#logger.warn(`more than ${WAITING_MAX} messages wait; cutting the client off`);
      this.#overflow();
      return;
    }
    this.#waiting += 1;
    this.#tail = this.#tail.then(() => this.#handle(message));
  }

  #decode(text: string): FromClient | undefined {
    try {
      return decodeFromClient(text);
    } catch (error) {
      this.#logger.warn({ err: error }, 'message ignored');
      return undefined;
    }
  }

  async #handle(message: FromClient): Promise<void> {
    try {
      await dispatch(this.#handlers, message);
    } catch (error) {
      if (error instanceof Refused) this.#logger.debug({ event: message.event }, `refused: ${error.message}`);
      else this.#logger.warn({ err: error, event: message.event }, 'message handler has failed');
    } finally {
      this.#waiting -= 1;
    }
  }
}

function dispatch<E extends FromClient['event']>(
  handlers: FromClientHandlers,
  message: Extract<FromClient, { event: E }>,
): void | Promise<void> {
  const event: E = message.event;
  return handlers[event](message);
}

class ClientSocket implements Socket {
  readonly #webSocket: WebSocket;

  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
  }

  send(event: ServerEvent, payload: unknown): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    if (this.#webSocket.bufferedAmount > SEND_BUFFER_MAX_BYTES) this.#webSocket.terminate();
    else this.#webSocket.send(JSON.stringify({ event, payload }));
  }

  /** neko cuts the connection without a close frame, so clients see 1006 after the message; here too. */
  destroy(reason: string): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    const message = { event: 'system/disconnect', payload: { message: reason } };
    this.#webSocket.send(JSON.stringify(message), () => this.#webSocket.terminate());
  }
}
