import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { ToolsAddress } from '../desktop/tools/service.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { TunnelRequest } from '../protocol/control.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../protocol/limits.ts';
import { clientSocket, refuseClient, type ClientSocket } from '../signaling/relay.ts';
import { closedOf, closeWith } from '../websocket/closing.ts';
import type { SendToGateway } from './commands.ts';
import type { LoginTable } from './logins.ts';
import { dialTunnel } from './dial.ts';
import { joinToStreamer } from './media-tunnel.ts';
import type { MediaDesk } from './media.ts';
import { exchangeWithNeko, showScreen } from './neko-http.ts';
import { answerPreflight, type Tryable } from './preflight.ts';
import type { Spares } from './spares.ts';
import { exchangeWithTools } from './tools-http.ts';
import type { VncTunnels } from './vnc/tunnels.ts';

/** Tunnels being opened by one agent at once; more are refused with TOO_MANY_MESSAGES. */
const OPENING_MAX = 2000;
const UNAUTHORIZED = 401;

export interface TunnelOptions {
  /** The gateway's address for tunnels, ws: or wss:. */
  url: string;
  agentKey: string;
  log: Logger;
  logins: LoginTable;
  media: MediaDesk;
  /** What there is to try. */
  preflight: () => Tryable;
  vnc: VncTunnels;
  spares: Pick<Spares, 'take'>;
  /** Where a running session's tools are; undefined where it has none. @throws GatewayError SESSION_NOT_FOUND | SESSION_NOT_RUNNING */
  toolsOf: (sessionId: string) => ToolsAddress | undefined;
  send: SendToGateway;
}

type TunnelOf<Kind extends TunnelRequest['kind']> = Extract<TunnelRequest, { kind: Kind }>;

/** The tunnels that the gateway asked for: each is dialled out to it and given to its login, or joined to a VNC server. */
export class Tunnels {
  readonly #options: TunnelOptions;
  readonly #opening = new Map<string, Promise<void>>();
  /** Those of media, which end with their logins. */
  readonly #joined = new Set<Promise<void>>();
  /** Those of calls to neko, pictures and tools. */
  readonly #exchanges = new Set<WebSocket>();

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  open(request: TunnelRequest): void {
    const { tunnelId, kind } = request;
    // A repeated request finds its tunnel there already.
    if (this.#opening.has(tunnelId)) return;
    const opening = this.#open(request)
      .catch((thrown: unknown) => {
        const failure = toGatewayError(thrown);
        this.#options.log.warn({ err: failure, tunnelId, kind }, 'a tunnel did not open');
        const error = { code: failure.code, message: failure.message.slice(0, 4096) };
        if (request.kind === 'vnc')
          this.#options.send('vnc_closed', { tunnelId, sessionId: request.sessionId, reason: error });
        else this.#options.send('tunnel.refused', { tunnelId, error });
      })
      .finally(() => this.#opening.delete(tunnelId));
    this.#opening.set(tunnelId, opening);
  }

  /** Resolves once none is being opened any more, and those of media, pictures and tools are gone; their logins have to be ended before. */
  async settled(): Promise<void> {
    // A call to neko counts as being opened for as long as it lasts, which is up to its client.
    this.#endExchanges();
    await Promise.all(this.#opening.values());
    this.#endExchanges();
    await Promise.all([...this.#exchanges].map((socket) => closedOf(socket)));
    await Promise.all(this.#joined);
  }

  #endExchanges(): void {
    for (const socket of this.#exchanges) closeWith(socket, 'SHUTTING_DOWN');
  }

  async #open(request: TunnelRequest): Promise<void> {
    if (this.#opening.size >= OPENING_MAX)
      throw new GatewayError('TOO_MANY_MESSAGES', `this host opens ${OPENING_MAX} tunnels already`);
    switch (request.kind) {
      case 'signaling':
        return this.#openSignaling(request);
      case 'http':
        return this.#openHttp(request);
      case 'picture':
        return this.#openPicture(request);
      case 'tools':
        return this.#openTools(request);
      case 'media':
        return this.#openMedia(request);
      case 'preflight':
        return answerPreflight((await this.#dial(request)).socket, this.#options.preflight());
      case 'vnc':
        return this.#options.vnc.open(request, () => this.#dial(request));
      default:
        throw new Error(`unreachable: ${JSON.stringify(request satisfies never)}`);
    }
  }

  async #openSignaling({ sessionId, login, viewer, ...tunnel }: TunnelOf<'signaling'>): Promise<void> {
    const { logins } = this.#options;
    logins.check(sessionId, login);
    await logins.attach(sessionId, login, await this.#dial(tunnel), viewer);
  }

  async #openHttp({ sessionId, login, ...tunnel }: TunnelOf<'http'>): Promise<void> {
    const { logins } = this.#options;
    const { baseUrl } = logins.check(sessionId, login);
    const { socket } = await this.#dial(tunnel);
    this.#exchanges.add(socket);
    try {
      const made = await logins.getOrCreate(sessionId, login);
      const status = await exchangeWithNeko(socket, { baseUrl, token: made.token });
      // neko doesn't know it any more: it was logged out, or neko was started anew. The next call gets a login of its own.
      if (status === UNAUTHORIZED) await made.end(new GatewayError('STREAMER_LOST', 'neko does not know this login'));
    } catch (thrown) {
      refuseClient(socket, toGatewayError(thrown));
      throw thrown;
    } finally {
      this.#exchanges.delete(socket);
    }
  }

  async #openPicture({ sessionId, login, ...tunnel }: TunnelOf<'picture'>): Promise<void> {
    const { logins } = this.#options;
    logins.check(sessionId, login);
    const { socket } = await this.#dial(tunnel);
    this.#exchanges.add(socket);
    void showScreen(socket, (quality) => logins.check(sessionId, login).neko.screenshot(quality)).finally(() =>
      this.#exchanges.delete(socket),
    );
  }

  async #openTools({ sessionId, ...tunnel }: TunnelOf<'tools'>): Promise<void> {
    const address = this.#options.toolsOf(sessionId);
    if (!address)
      throw new GatewayError('TOOLS_NOT_AVAILABLE', `session ${sessionId} has no tools: its image brings none`);
    const { socket } = await this.#dial(tunnel);
    this.#exchanges.add(socket);
    void exchangeWithTools(socket, address).finally(() => this.#exchanges.delete(socket));
  }

  /** Resolves once it is open; it ends with its login, or when the client's connection does. */
  async #openMedia({ sessionId, loginId, ...tunnel }: TunnelOf<'media'>): Promise<void> {
    const { media, log } = this.#options;
    const ended = new AbortController();
    const { target, forget } = await media.getTarget(sessionId, loginId, () => ended.abort());
    try {
      const { socket } = await this.#dial(tunnel);
      const joined: Promise<void> = joinToStreamer(socket, target, { log, signal: ended.signal }).finally(() => {
        forget();
        this.#joined.delete(joined);
      });
      this.#joined.add(joined);
    } catch (thrown) {
      forget();
      throw thrown;
    }
  }

  async #dial({ tunnelId, kind, ticket }: Pick<TunnelRequest, 'tunnelId' | 'kind' | 'ticket'>): Promise<ClientSocket> {
    const spare = this.#options.spares.take(ticket);
    if (spare) {
      this.#options.log.debug({ tunnelId, kind }, 'a spare became a tunnel');
      return clientSocket(spare);
    }
    const { url, agentKey } = this.#options;
    const socket = dialTunnel(url, {
      headers: { authorization: `Bearer ${ticket}`, 'x-agent-api-key': agentKey },
      maxPayload: SIGNALING_FRAME_MAX_BYTES,
    });
    const client = clientSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => {
        // The client's first frames may come with the handshake's answer: they wait until the login is there.
        socket.pause();
        resolve();
      });
      socket.on('error', (cause) => {
        reject(new GatewayError('TICKET_REFUSED', `the gateway did not take the tunnel: ${cause.message}`, { cause }));
      });
    });
    this.#options.log.debug({ tunnelId, kind }, 'a tunnel is open');
    return client;
  }
}
