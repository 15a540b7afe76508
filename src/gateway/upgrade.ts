import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws';
import { GatewayError } from '../errors.ts';
import { writeDirectly } from '../websocket/direct.ts';
import { Shunt } from '../websocket/shunt.ts';
import { failureOf } from './problem.ts';
import { refuse } from './refusal.ts';
import { requestIdOf } from './request-id.ts';

/** Upgrades being checked at once; more are refused with TOO_MANY_REQUESTS. */
const UPGRADES_MAX = 512;
/** Time that the checks before an upgrade may take, the store's answers included; then the connection is cut. */
const UPGRADE_MS = 15_000;

const NOTHING = Buffer.alloc(0);

/** One request to become a WebSocket, before anything was answered. */
export interface Upgrade {
  request: IncomingMessage;
  url: URL;
  requestId: string;
  address: string;
  /** Answers 101; `isShunted`, its binary frames can be led past it. Rejects, and the caller has been answered, when the handshake itself is wrong. */
  accept(server: WebSocketServer, options?: { isShunted?: boolean }): Promise<WebSocket>;
}

/** One path that takes WebSockets. `open` checks everything, then accepts; what it throws before is the HTTP answer. */
export interface Door {
  pattern: RegExp;
  /** How a refusal is told, where it is not as everywhere. */
  describe?: (failure: GatewayError, requestId: string) => { status: number };
  open(upgrade: Upgrade, groups: Record<string, string>): Promise<void>;
}

export interface UpgradeOptions {
  doors: Door[];
  log: Logger;
}

/** WebSocket servers of ours never compress (CRIME-like leaks, memory) and never listen by themselves. */
export function createWebSocketServer(options: Pick<ServerOptions, 'maxPayload' | 'handleProtocols'>): WebSocketServer {
  return new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, ...options });
}

/** The one place where WebSockets come in: what fits no door is refused. */
export class UpgradeRouter {
  readonly #options: UpgradeOptions;
  readonly #pending = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: UpgradeOptions) {
    this.#options = options;
  }

  listen(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const pending: Promise<void> = this.#route(request, socket, head).finally(() => this.#pending.delete(pending));
      this.#pending.add(pending);
    });
  }

  /** Refuses from now on; resolves once those under way are decided. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#pending);
  }

  /** Never rejects. */
  async #route(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const requestId = requestIdOf(request);
    // Unheard, the reset of a caller that gives up would end the process.
    socket.on('error', (error) =>
      this.#options.log.debug({ requestId, reason: error.message }, 'an upgrade was given up'),
    );
    const timer = setTimeout(() => socket.destroy(), UPGRADE_MS);
    let answered = false;
    let describe: Door['describe'];
    try {
      if (this.#stopped) throw new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down');
      if (this.#pending.size >= UPGRADES_MAX)
        throw new GatewayError(
          'TOO_MANY_REQUESTS',
          `${UPGRADES_MAX} WebSockets are being opened; try again in a moment`,
        );
      const url = parseTarget(request.url ?? '');
      const { door, groups } = this.#find(url.pathname);
      describe = door.describe;
      await door.open(
        {
          request,
          url,
          requestId,
          address: request.socket.remoteAddress ?? '',
          accept: async (server, { isShunted = false } = {}) => {
            clearTimeout(timer);
            answered = true;
            return accept(server, { request, socket, head, requestId, isShunted });
          },
        },
        groups,
      );
    } catch (thrown) {
      const failure = failureOf(thrown);
      if (failure.code === 'INTERNAL') this.#options.log.error({ err: failure, requestId }, 'an upgrade failed');
      else
        this.#options.log.info({ requestId, code: failure.code, path: pathOf(request.url) }, 'an upgrade was refused');
      if (!answered) refuse(socket, failure, requestId, describe);
    } finally {
      clearTimeout(timer);
    }
  }

  #find(path: string): { door: Door; groups: Record<string, string> } {
    for (const door of this.#options.doors) {
      const match = door.pattern.exec(path);
      if (match) return { door, groups: { ...match.groups } };
    }
    throw new GatewayError('NOT_FOUND', 'no WebSocket is served at this path');
  }
}

function accept(
  server: WebSocketServer,
  upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer; requestId: string; isShunted: boolean },
): Promise<WebSocket> {
  const { request, socket, head, requestId, isShunted } = upgrade;
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  const onClose = (): void =>
    reject(new GatewayError('BAD_REQUEST', 'the caller was gone before its handshake was done'));
  const onWrong = (error: Error, _socket: Duplex, wrong: IncomingMessage): void => {
    if (wrong !== request) return;
    const failure = new GatewayError('BAD_REQUEST', `not a WebSocket handshake: ${error.message}`);
    refuse(socket, failure, requestId);
    reject(failure);
  };
  const settled = promise.finally(() => {
    socket.off('close', onClose);
    server.off('wsClientError', onWrong);
  });
  socket.once('close', onClose);
  // With a listener here `ws` leaves the answer to us.
  server.on('wsClientError', onWrong);
  if (socket.destroyed) {
    onClose();
    return settled;
  }
  if (head.length > 0) socket.unshift(head);
  const shunt = isShunted ? new Shunt(socket) : undefined;
  server.handleUpgrade(request, shunt ?? socket, NOTHING, (accepted) => {
    shunt?.serve(accepted);
    writeDirectly(accepted, { stream: socket, isMasked: false });
    resolve(accepted);
  });
  return settled;
}

/** Nothing of the caller's Host is used: it may be anything. */
function parseTarget(target: string): URL {
  if (!target.startsWith('/') || !URL.canParse(`http://gateway${target}`))
    throw new GatewayError('NOT_FOUND', 'no WebSocket is served at this path');
  return new URL(`http://gateway${target}`);
}

function pathOf(target: string | undefined): string {
  return (target ?? '').split('?', 1)[0]?.slice(0, 256) ?? '';
}
