import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { listenOnAnyPort } from './ports.ts';

export interface SocketPair extends AsyncDisposable {
  /** The end that dialled. */
  dialled: WebSocket;
  /** The end that was dialled. */
  accepted: WebSocket;
}

/** Two joined WebSockets on loopback. */
export async function openSocketPair(): Promise<SocketPair> {
  const server = await listen();
  const accepting = once(server.sockets, 'connection');
  const dialled = new WebSocket(server.url);
  const [[accepted]] = await Promise.all([accepting, once(dialled, 'open')]);
  if (!(accepted instanceof WebSocket)) throw new Error('no socket was accepted');
  return {
    dialled,
    accepted,
    async [Symbol.asyncDispose]() {
      dialled.terminate();
      await server[Symbol.asyncDispose]();
    },
  };
}

export interface SocketServer extends AsyncDisposable {
  url: string;
  http: Server;
  sockets: WebSocketServer;
}

/** A WebSocket server on a port of its own; disposing of it ends its connections too. */
export async function listen(): Promise<SocketServer> {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http });
  const port = await listenOnAnyPort(http);
  return {
    url: `ws://127.0.0.1:${port}`,
    http,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}

export interface Closed {
  code: number;
  reason: string;
}

export async function closeOf(socket: WebSocket): Promise<Closed> {
  const [code, reason]: unknown[] = await once(socket, 'close');
  return { code: Number(code), reason: Buffer.isBuffer(reason) ? reason.toString('utf8') : '' };
}

/** The next frame, parsed. */
export async function nextMessage(socket: WebSocket): Promise<unknown> {
  const [bytes]: unknown[] = await once(socket, 'message');
  return JSON.parse(Buffer.isBuffer(bytes) ? bytes.toString('utf8') : '');
}
