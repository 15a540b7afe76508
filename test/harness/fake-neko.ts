import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { LoginHost } from '../../src/agent/logins.ts';
import { GatewayError } from '../../src/errors.ts';
import type { Role } from '../../src/protocol/session.ts';
import { textOf } from '../../src/websocket/frames.ts';
import { listen, type SocketServer } from './socket-pair.ts';

/** A neko that keeps its books: who is logged in, who is connected, and, as neko does, only one connection a login. */
export class FakeNeko implements LoginHost {
  readonly baseUrl = 'http://127.0.0.1:1';
  /** Tokens that are logged in, with the name and role. */
  readonly logins = new Map<string, string>();
  readonly sockets = new Map<string, WebSocket>();
  /** All that was ever asked of it, in order. */
  readonly story: string[] = [];
  readonly folder: string;
  /** The token of who has the controls. */
  host: string | undefined;
  /** Runs before each login is answered. */
  beforeLogin: () => Promise<void> = async () => undefined;
  /** Whether connections get their first word. */
  isMute = false;
  readonly #server: SocketServer;
  #count = 0;

  static async start(folder = '/nowhere'): Promise<FakeNeko> {
    return new FakeNeko(await listen(), folder);
  }

  private constructor(server: SocketServer, folder: string) {
    this.#server = server;
    this.folder = folder;
    server.sockets.on('connection', (socket, request) => this.#accept(socket, request));
  }

  readonly neko = {
    login: async (name: string, role: Role): Promise<{ id: string; token: string }> => {
      await this.beforeLogin();
      this.#count += 1;
      const token = `token-${this.#count}`;
      this.logins.set(token, `${name} as ${role}`);
      this.#note(`login ${token}`);
      return { id: `id-of-${token}`, token };
    },
    logout: async (token: string): Promise<void> => {
      this.#note(`logout ${token}`);
      if (!this.logins.delete(token)) throw new GatewayError('NEKO_REFUSED', 'no such login');
      this.#destroy(token, 'session deleted');
    },
    socketUrl: (token: string): string => `${this.#server.url}/api/ws?token=${token}`,
    screenshot: () => Promise.reject(new Error('it has no screen')),
    logoutOthers: async (ids: ReadonlySet<string>): Promise<void> => {
      for (const token of this.logins.keys()) if (!ids.has(`id-of-${token}`)) await this.neko.logout(token);
    },
  };

  /** The connection of a login, once there is one. */
  async socketOf(token: string): Promise<WebSocket> {
    for (;;) {
      const socket = this.sockets.get(token);
      if (socket) return socket;
      await once(this.#server.sockets, 'connection');
    }
  }

  /** Resolves once its books say so. */
  async until(fits: (neko: FakeNeko) => boolean): Promise<void> {
    while (!fits(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  setHost(token: string | undefined): void {
    this.host = token;
    const frame = JSON.stringify({ event: 'control/host', payload: this.#controlHost });
    for (const socket of this.sockets.values()) socket.send(frame);
    this.#note(`host ${token}`);
  }

  readonly #waiting: (() => void)[] = [];

  get #controlHost(): { has_host: boolean; host_id?: string } {
    return this.host === undefined ? { has_host: false } : { has_host: true, host_id: `id-of-${this.host}` };
  }

  #accept(socket: WebSocket, { url = '' }: IncomingMessage): void {
    const token = new URL(url, 'http://neko').searchParams.get('token') ?? '';
    socket.on('error', () => undefined);
    if (!this.logins.has(token)) {
      socket.send('{"event":"system/disconnect","payload":{"message":"session not found"}}');
      socket.terminate();
      return;
    }
    const replaced = this.sockets.get(token);
    this.sockets.set(token, socket);
    socket.once('close', (code) => {
      if (this.sockets.get(token) !== socket) return;
      this.sockets.delete(token);
      this.#note(`closed ${token} with ${code}`);
    });
    socket.on('message', (bytes) => {
      if (textOf(bytes) === '{"event":"control/request"}' && this.host === undefined) this.setHost(token);
    });
    const init = { session_id: `id-of-${token}`, control_host: this.#controlHost };
    if (!this.isMute) socket.send(JSON.stringify({ event: 'system/init', payload: init }));
    this.#note(`connected ${token}`);
    if (!replaced) return;
    replaced.send('{"event":"system/disconnect","payload":{"message":"connection replaced"}}');
    replaced.terminate();
  }

  #destroy(token: string, message: string): void {
    const socket = this.sockets.get(token);
    this.sockets.delete(token);
    socket?.send(JSON.stringify({ event: 'system/disconnect', payload: { message } }));
    socket?.terminate();
  }

  #note(line: string): void {
    this.story.push(line);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
