import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { encodeTcpFrame, splitTcpFrames } from 'werift';
import type { WebSocket } from 'ws';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { TcpServer } from '../../net/tcp-server.ts';
import type { Endpoint } from '../../protocol/ice.ts';
import { DATAGRAM_MAX_BYTES, KEEPALIVE_MS, MEDIA_QUEUE_MAX_BYTES } from '../../protocol/limits.ts';
import { closedOf, closeSocket, CLOSE_NORMAL } from '../../websocket/closing.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';
import { count } from '../count.ts';
import type { Metrics } from '../metrics.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';
import { endpointsOf, type TcpMediaOptions } from './endpoints.ts';
import { ufragOf } from './first-packet.ts';
import type { MediaOffers, OfferedMedia } from './offers.ts';

/** Connections at once, and those from one address that have not shown yet whose they are; more are closed. */
const CONNECTIONS_MAX = 4096;
const STRANGERS_MAX_PER_ADDRESS = 64;
/** Connections of one login at once: browsers open one for each of their addresses, and again when ICE restarts. */
const CONNECTIONS_MAX_PER_LOGIN = 8;
/** Time in which a connection has to show whose it is. */
const STRANGER_MS = 5000;
/** A browser looks after a connection that it uses every few seconds (RFC 7675); a silent one is closed. */
const SILENT_MS = 60_000;
/** Datagrams that came and wait for the tunnel; more are dropped. */
const HELD_MAX = 16;

export interface TcpListenerOptions {
  offers: MediaOffers;
  tunnels: Tunnels;
  metrics: Metrics;
  log: Logger;
}

/**
 * Where viewers' media comes in by TCP: RFC 4571 frames, as ICE has them (RFC 6544). The first STUN check says by the streamer's user
 * fragment whose connection it is; from then on each frame is a datagram on a tunnel to that streamer, which checks it as any
 * other. This end reads nothing else of it: all is encrypted between viewer and streamer.
 */
export class TcpListener {
  readonly #place: TcpMediaOptions;
  readonly #options: TcpListenerOptions;
  readonly #server: TcpServer;
  readonly #strangers = new Map<string, number>();
  readonly #ofLogin = new Map<string, number>();

  /** Resolves once it listens. @throws GatewayError BAD_REQUEST when it can't */
  static async open(place: TcpMediaOptions, options: TcpListenerOptions): Promise<TcpListener> {
    const listener = new TcpListener(place, options);
    await listener.#server.listen(place, '--tcp-media');
    return listener;
  }

  private constructor(place: TcpMediaOptions, options: TcpListenerOptions) {
    this.#place = place;
    this.#options = options;
    const { log } = options;
    this.#server = new TcpServer({
      connectionsMax: CONNECTIONS_MAX,
      serve: (socket, stopped) =>
        this.#take(socket, stopped)
          .catch((error: unknown) => log.debug({ reason: toGatewayError(error).message }, 'media over TCP ended'))
          .finally(() => socket.destroy()),
      log,
    });
  }

  /** What viewers are told of it. */
  get endpoints(): Endpoint[] {
    return endpointsOf(this.#place, this.#server.port);
  }

  /** Resolves once nobody is connected any more. Idempotent. */
  stop(): Promise<void> {
    return this.#server.stop(new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down'));
  }

  /** One connection, from its first byte to its end. */
  async #take(socket: Socket, stopped: AbortSignal): Promise<void> {
    const { tunnels, metrics } = this.#options;
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, stopped]);
    // An error is followed by the close.
    socket.on('error', () => undefined);
    socket.once('close', () => ended.abort());
    socket.setTimeout(SILENT_MS, () => socket.destroy());
    signal.addEventListener('abort', () => socket.destroy());
    if (signal.aborted) socket.destroy();

    const frames = new Frames(socket);
    const media = await this.#recognize(socket, frames, signal);
    const { loginId, sessionId } = media.offer;
    using _ = count(this.#ofLogin, loginId, CONNECTIONS_MAX_PER_LOGIN);
    const tunnel = await tunnels.open(media.connection, { kind: 'media', sessionId, loginId }, signal);
    metrics.tcpMedia.inc();
    try {
      await join(socket, tunnel, frames);
    } finally {
      metrics.tcpMedia.dec();
    }
  }

  /** Waits for a check of a login that is known: what an agent says of it may come a moment later than its viewer. */
  async #recognize(socket: Socket, frames: Frames, signal: AbortSignal): Promise<OfferedMedia> {
    const { offers } = this.#options;
    using _ = count(this.#strangers, socket.remoteAddress ?? '', STRANGERS_MAX_PER_ADDRESS);
    const { promise, resolve, reject } = Promise.withResolvers<OfferedMedia>();
    const timer = setTimeout(
      () => reject(new GatewayError('NOT_FOUND', `no check of a login that is known came within ${STRANGER_MS} ms`)),
      STRANGER_MS,
    );
    signal.addEventListener('abort', () => reject(new GatewayError('CLIENT_SILENT', 'it was closed')));
    frames.take((frame) => {
      const ufrag = ufragOf(frame);
      const media = ufrag === undefined ? undefined : offers.findByUfrag(ufrag);
      if (!media) return;
      frames.hold(frame);
      resolve(media);
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The frames of one connection, kept while nobody takes them. A frame that is longer than a datagram may be ends the connection. */
class Frames {
  #taker: ((frame: Buffer) => void) | undefined;
  #held: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      const { frames, rest } = splitTcpFrames(this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk);
      this.#rest = rest;
      const next = rest.length >= 2 ? rest.readUInt16BE(0) : 0;
      if (Math.max(next, ...frames.map(({ length }) => length)) > DATAGRAM_MAX_BYTES) socket.destroy();
      else for (const frame of frames) this.#pass(frame);
    });
  }

  take(taker: (frame: Buffer) => void): void {
    this.#taker = taker;
    for (const frame of this.#held.splice(0)) taker(frame);
  }

  /** Nobody takes frames for now; this one is the first that the next taker gets. */
  hold(first: Buffer): void {
    this.#taker = undefined;
    this.#held = [first];
  }

  #pass(frame: Buffer): void {
    if (this.#taker) this.#taker(frame);
    else if (this.#held.length < HELD_MAX) this.#held.push(frame);
  }
}

/** Resolves once both ends are gone; each ends the other. */
async function join(socket: Socket, tunnel: WebSocket, frames: Frames): Promise<void> {
  tunnel.on('message', (datagram) => {
    if (!Buffer.isBuffer(datagram) || socket.writableLength > MEDIA_QUEUE_MAX_BYTES) return;
    socket.write(encodeTcpFrame(datagram));
  });
  tunnel.once('close', () => socket.destroy());
  socket.once('close', () => closeSocket(tunnel, CLOSE_NORMAL, ''));
  keepAlive(tunnel, KEEPALIVE_MS, () => tunnel.terminate());
  frames.take((frame) => {
    if (tunnel.readyState === tunnel.OPEN && tunnel.bufferedAmount <= MEDIA_QUEUE_MAX_BYTES) tunnel.send(frame);
  });
  tunnel.resume();
  if (socket.destroyed) tunnel.terminate();
  await closedOf(tunnel);
}
