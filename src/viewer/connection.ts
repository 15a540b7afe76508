import type { FromClientEvent } from '../signaling/messages.ts';
import type { FromOwnClient } from '../signaling/own-messages.ts';
import { backoffDelayMs } from './backoff.ts';
import { type Incoming, readMessage, readProblem } from './messages.ts';
import { explain, explainClose, type Reason } from './reasons.ts';

export interface ConnectionOptions {
  /** Base address of the gateway, http or https. */
  readonly server: string;
  readonly session: string;
  readonly access: string;
}

/** Connections may be held to some ways of media, as `Attributes.ice`. */
export type DialOptions = ConnectionOptions & { readonly ice: string };

export interface ConnectionListener {
  opened(): void;
  received(message: Incoming): void;
  /** The socket is gone; where `retryAtMs` is set (by Date.now()), the connection comes back by itself then. */
  lost(reason: Reason, retryAtMs: number | undefined): void;
}

const SUBPROTOCOL = 'nekogate.v1';
const OPEN_TIMEOUT_MS = 10_000;
const REFUSAL_TIMEOUT_MS = 5000;
/** neko speaks every 10 s (system/heartbeat); after three missed the link is taken for dead. */
const SILENCE_MAX_MS = 35_000;
const SILENCE_CHECK_MS = 5000;
/** An error that was told longer ago than this does not explain a close. */
const EXPLANATION_MAX_AGE_MS = 2000;
/** A socket that is given up without leaving: the gateway keeps the login for a while (CLIENT_LOST of src/errors.ts). */
const CLOSE_LOST = 4499;
const CLOSE_NORMAL = 1000;
/** The gateway keeps a lost login for 30 s, and nobody should miss that between two tries. */
const RESUME_DELAY_MAX_MS = 4000;
/** A gateway that lets this viewer in but not as the login that it was has another opinion of that login. */
const RESUME_REFUSALS_MAX = 2;
/** A connection that held for this long was a good one: the next loss starts with the shortest delay again. */
const PEACE_MS = 10_000;

/**
 * The signaling WebSocket of one session: opens it, answers heartbeats, notices silence, and comes back by itself after
 * losses that another try can mend, as the same login where the gateway told it one. Ends for good on final closes and on
 * `close`; `open` starts it again.
 */
export class Connection {
  readonly #options: DialOptions;
  readonly #listener: ConnectionListener;
  #attempt = 0;
  #socket: WebSocket | undefined;
  /** The login that a lost connection is to come back as; unknown behind a gateway that does not tell. */
  #loginId: string | undefined;
  #refusals = 0;
  #isSilenceExpected = false;
  /** Ends everything that belongs to the present socket, or to the wait for the next. */
  #current = new AbortController();

  constructor(options: DialOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Opens the socket now, in place of one that is open or waited for. */
  open(): void {
    const signal = this.#renew();
    const socket = this.#dial();
    this.#socket = socket;
    this.#isSilenceExpected = false;
    signal.addEventListener('abort', () => socket.close(this.#loginId === undefined ? CLOSE_NORMAL : CLOSE_LOST), {
      once: true,
    });
    let openedAtMs: number | undefined;
    let lastHeardAtMs = Date.now();
    let said: { code: string; message: string; atMs: number } | undefined;

    const fail = (reason: Reason): void => this.#fail(reason, openedAtMs);
    const openTimer = setTimeout(() => fail(explain('LINK_LOST', '', true)), OPEN_TIMEOUT_MS);
    const silenceTimer = setInterval(() => {
      const isSilent = openedAtMs !== undefined && Date.now() - lastHeardAtMs > SILENCE_MAX_MS;
      if (isSilent && !this.#isSilenceExpected) fail(explain('LINK_LOST', '', true));
    }, SILENCE_CHECK_MS);
    signal.addEventListener('abort', () => {
      clearTimeout(openTimer);
      clearInterval(silenceTimer);
    });

    socket.addEventListener(
      'open',
      () => {
        clearTimeout(openTimer);
        openedAtMs = Date.now();
        this.#refusals = 0;
        lastHeardAtMs = openedAtMs;
        this.#listener.opened();
      },
      { signal },
    );
    socket.addEventListener(
      'message',
      (frame) => {
        lastHeardAtMs = Date.now();
        const message = readMessage(frame.data);
        if (message?.event === 'system/heartbeat') this.send('client/heartbeat');
        if (message?.event === 'gateway/login') this.#loginId = message.payload.loginId;
        if (message?.event === 'gateway/error') said = { ...message.payload, atMs: lastHeardAtMs };
        if (message?.event === 'system/disconnect') {
          said = { code: 'ENDED', message: message.payload.message, atMs: lastHeardAtMs };
        }
        if (message !== undefined) this.#listener.received(message);
      },
      { signal },
    );
    socket.addEventListener(
      'close',
      (close) => {
        const explanation = said !== undefined && Date.now() - said.atMs < EXPLANATION_MAX_AGE_MS ? said : undefined;
        if (openedAtMs !== undefined) fail(explainClose(close, explanation));
        else void this.#askWhyRefused(signal).then((reason) => (signal.aborted ? undefined : fail(reason)));
      },
      { signal },
    );
  }

  /** Sends one of neko's messages; false when there is no open socket to send it on. */
  send(event: FromClientEvent, payload?: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(payload === undefined ? { event } : { event, payload }));
    return true;
  }

  /** Says something to the gateway itself; nothing behind a server that is none of ours. */
  tellGateway(event: FromOwnClient['event'], payload: FromOwnClient['payload']): void {
    if (this.#loginId !== undefined && this.#socket?.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify({ event, payload }));
  }

  /** Whether the streamer has reason to say nothing on the present connection. */
  expectSilence(isExpected: boolean): void {
    this.#isSilenceExpected = isExpected;
  }

  /** A connection of its own to the same session by VNC, by the same token. */
  dialVnc(): WebSocket {
    return new WebSocket(socketUrl(this.#options, 'vnc'), ['binary', `access.${this.#options.access}`]);
  }

  /** Closes with 1000, which ends the login at once, and stops coming back. */
  close(): void {
    this.#loginId = undefined;
    this.#drop();
  }

  #drop(): void {
    this.#current.abort();
    this.#socket = undefined;
  }

  #dial(): WebSocket {
    const url = socketUrl(this.#options, 'api/ws');
    if (this.#options.ice !== '') url.searchParams.set('ice', this.#options.ice);
    const resume = this.#loginId === undefined ? [] : [`resume.${this.#loginId}`];
    return new WebSocket(url, [SUBPROTOCOL, `access.${this.#options.access}`, ...resume]);
  }

  #fail(reason: Reason, openedAtMs: number | undefined): void {
    if (!reason.retryable) {
      this.close();
      this.#listener.lost(reason, undefined);
      return;
    }
    this.#drop();
    if (openedAtMs !== undefined && Date.now() - openedAtMs > PEACE_MS) this.#attempt = 0;
    const delayMs = backoffDelayMs(this.#attempt, this.#loginId === undefined ? undefined : RESUME_DELAY_MAX_MS);
    this.#attempt += 1;
    const signal = this.#renew();
    const timer = setTimeout(() => this.open(), delayMs);
    // A browser that finds its network again need not wait.
    window.addEventListener('online', () => this.open(), { signal });
    signal.addEventListener('abort', () => clearTimeout(timer));
    this.#listener.lost(reason, Date.now() + delayMs);
  }

  /** A browser does not tell why an upgrade was refused (it closes with 1006), so the join route is asked the same question. */
  async #askWhyRefused(signal: AbortSignal): Promise<Reason> {
    const { server, session, access } = this.#options;
    try {
      const response = await fetch(new URL(`api/v1/sessions/${encodeURIComponent(session)}/join`, withSlash(server)), {
        headers: { authorization: `Bearer ${access}` },
        cache: 'no-store',
        signal: AbortSignal.any([signal, AbortSignal.timeout(REFUSAL_TIMEOUT_MS)]),
      });
      const document: unknown = await response.json();
      const problem = response.ok ? undefined : readProblem(document);
      if (problem !== undefined) return explain(problem.code, problem.message);
      if (response.ok) {
        this.#refusals += 1;
        if (this.#refusals >= RESUME_REFUSALS_MAX) this.#loginId = undefined;
        return explain('SOCKET_REFUSED', '', true);
      }
    } catch {
      // No network, no gateway, or a proxy's own page: all of them are a lost link.
    }
    return explain('LINK_LOST', '', true);
  }

  #renew(): AbortSignal {
    this.#current.abort();
    this.#current = new AbortController();
    return this.#current.signal;
  }
}

function socketUrl({ server, session }: ConnectionOptions, path: string): URL {
  const url = new URL(`s/${encodeURIComponent(session)}/${path}`, withSlash(server));
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

function withSlash(address: string): string {
  return address.endsWith('/') ? address : `${address}/`;
}
