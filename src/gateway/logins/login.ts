import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { GatewayError } from '../../errors.ts';
import { closedOf, CLOSE_CLIENT_LOST, CLOSE_NORMAL, closeSocket, closeWith, tell } from '../../websocket/closing.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';
import type { TunnelOrder } from '../../protocol/control.ts';
import type { AccessRow } from '../store/tables.ts';
import { endingOfClient, endingOfTunnel, type Ending } from './ending.ts';
import { tellSandboxAgent } from '../sandbox-agent/disconnect-frame.ts';
import type { Pipe, Piping } from './pipe.ts';

type State =
  /** Counted, its checks under way. */
  | { name: 'reserved' }
  /** Upgraded; its socket is paused until the tunnel is there. */
  | { name: 'opening'; client: WebSocket }
  | { name: 'joined'; client: WebSocket; tunnel: WebSocket; pipe: Pipe }
  /** The gateway itself talks on the tunnel, for a program's calls. */
  | { name: 'used'; tunnel: WebSocket }
  | { name: 'ended'; ending: Ending };

/** Which login a client comes for. */
export interface Coming {
  loginId: string;
  /** The protocol that it speaks. */
  client: 'nekogate' | 'neko' | 'vnc' | 'sandbox-agent';
  /** What its agent is asked for. */
  order: TunnelOrder;
}

/** How each is told of a failure, where its protocol has a place for that. */
const TELL: Record<Coming['client'], (client: WebSocket, failure: GatewayError) => void> = {
  nekogate: tell,
  neko: tell,
  'sandbox-agent': tellSandboxAgent,
  vnc: () => undefined,
};

export interface LoginOptions extends Coming {
  access: AccessRow;
  address: string;
  requestId: string;
  keepAliveMs: number;
  log: Logger;
}

/** One client's connection to its login, or to the VNC server, of one session, from the count against its limits to its one end. */
export class Login {
  /** Also an older connection's that this one takes the place of. */
  readonly loginId: string;
  readonly client: Coming['client'];
  readonly order: TunnelOrder;
  readonly since = new Date().toISOString();
  readonly access: AccessRow;
  readonly address: string;
  readonly requestId: string;
  /** Resolves, never rejects, with the first end that came. */
  readonly ended: Promise<Ending>;
  /** Resolves once its sockets are gone too. */
  closed: Promise<void> = Promise.resolve();
  /** Aborted at the end. */
  readonly signal: AbortSignal;
  readonly #ended = Promise.withResolvers<Ending>();
  readonly #abort = new AbortController();
  readonly #options: LoginOptions;
  #state: State = { name: 'reserved' };
  #wasJoined = false;
  #pipe: Pipe | undefined;

  constructor(options: LoginOptions) {
    this.#options = options;
    this.loginId = options.loginId;
    this.client = options.client;
    this.order = options.order;
    this.access = options.access;
    this.address = options.address;
    this.requestId = options.requestId;
    this.ended = this.#ended.promise;
    this.signal = this.#abort.signal;
  }

  /** Whether its client was ever joined to its agent; stays true after the end. */
  get wasJoined(): boolean {
    return this.#wasJoined;
  }

  /** Takes the client's fresh socket over, paused: what it sends at once waits in the kernel. */
  attach(client: WebSocket): void {
    client.on('error', (error) =>
      this.#options.log.debug({ loginId: this.loginId, reason: error.message }, "a client's socket failed"),
    );
    if (this.#state.name === 'ended') {
      this.#sayGoodbye(client, this.#state.ending);
      return;
    }
    client.pause();
    client.once('close', (code) => this.end(this.#endingOfClient(code)));
    this.#state = { name: 'opening', client };
  }

  /** Joins the client to its agent's tunnel, which this login then owns; frames pass by `piping`. */
  join(tunnel: WebSocket, piping: Piping): void {
    tunnel.on('error', (error) => this.#onTunnelError(error));
    if (this.#state.name !== 'opening') {
      endTunnel(tunnel, this.#state.name === 'ended' ? this.#state.ending : endingOfClient(1006));
      return;
    }
    const { client } = this.#state;
    const joint = piping(client, tunnel, (failure) => this.fail(failure));
    this.#pipe = joint;
    this.#state = { name: 'joined', client, tunnel, pipe: joint };
    this.#wasJoined = true;
    this.#watchTunnel(tunnel);
    if (this.signal.aborted) return;
    keepAlive(client, this.#options.keepAliveMs, () =>
      this.fail(new GatewayError('CLIENT_SILENT', 'the client answers no pings')),
    );
  }

  /** What passed, where that is counted; stays after the end. */
  get bytes(): Pipe['bytes'] {
    return this.#pipe?.bytes;
  }

  /** Leaves the tunnel to its caller, for a program that has no socket of its own; its end is still this login's. */
  use(tunnel: WebSocket): void {
    tunnel.on('error', (error) => this.#onTunnelError(error));
    if (this.#state.name !== 'reserved') {
      endTunnel(tunnel, this.#state.name === 'ended' ? this.#state.ending : endingOfClient(1006));
      return;
    }
    this.#state = { name: 'used', tunnel };
    this.#wasJoined = true;
    this.#watchTunnel(tunnel);
  }

  /** One frame of ours to its client, where that knows ours. */
  tell(event: string, payload: object): void {
    if (this.#state.name !== 'joined' || this.#options.client !== 'nekogate') return;
    const { client } = this.#state;
    if (client.readyState === client.OPEN) client.send(JSON.stringify({ event, payload }));
  }

  /** Ends it for a reason of the gateway's own. */
  fail({ code, message }: GatewayError): void {
    this.end({ by: 'gateway', code, message });
  }

  /** The first end counts: each side is told, and nothing passes any more. Idempotent. */
  end(ending: Ending): void {
    const state = this.#state;
    if (state.name === 'ended') return;
    this.#state = { name: 'ended', ending };
    if (state.name === 'opening') {
      this.closed = closedOf(state.client);
      this.#sayGoodbye(state.client, ending);
    }
    if (state.name === 'joined') {
      this.closed = Promise.all([closedOf(state.client), closedOf(state.tunnel)]).then(() => undefined);
      state.pipe.end();
      this.#sayGoodbye(state.client, ending, state.pipe);
      endTunnel(state.tunnel, ending);
    }
    if (state.name === 'used') {
      this.closed = closedOf(state.tunnel);
      endTunnel(state.tunnel, ending);
    }
    this.#abort.abort();
    this.#ended.resolve(ending);
  }

  /** Of sandbox-agent's clients the picture ends with their socket, so that a lost one has nothing to come back to. */
  #endingOfClient(closeCode: number): Ending {
    return endingOfClient(this.client === 'sandbox-agent' ? CLOSE_NORMAL : closeCode);
  }

  /** One frame with the failure, for browsers see no more of a close than its code and name. */
  #sayGoodbye(client: WebSocket, ending: Ending, pipe?: Pipe): void {
    // A paused socket would not see the answer to its close.
    client.resume();
    if (ending.code === 'CLIENT_LEFT' || ending.code === 'CLIENT_LOST') {
      closeSocket(client, CLOSE_NORMAL, '');
      return;
    }
    if (!pipe?.toldByAgent) TELL[this.client](client, new GatewayError(ending.code, ending.message));
    closeWith(client, ending.code);
  }

  #watchTunnel(tunnel: WebSocket): void {
    tunnel.once('close', (code, reason) => this.end(endingOfTunnel(code, reason)));
    if (tunnel.readyState === tunnel.CLOSED) {
      this.end(endingOfTunnel(1006, Buffer.alloc(0)));
      return;
    }
    keepAlive(tunnel, this.#options.keepAliveMs, () =>
      this.end({ by: 'agent', code: 'AGENT_OFFLINE', message: "the agent's tunnel answers no pings" }),
    );
  }

  #onTunnelError(error: Error): void {
    this.#options.log.warn({ loginId: this.loginId, reason: error.message }, 'a tunnel failed');
    if ('code' in error && error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
      this.fail(new GatewayError('MESSAGE_TOO_BIG', 'the desktop sent a frame that is longer than allowed'));
  }
}

/** Tells the agent whether its client left or was lost, or what the gateway decided. */
function endTunnel(tunnel: WebSocket, { code }: Ending): void {
  tunnel.resume();
  if (code === 'CLIENT_LEFT') closeSocket(tunnel, CLOSE_NORMAL, code);
  else if (code === 'CLIENT_LOST') closeSocket(tunnel, CLOSE_CLIENT_LOST, code);
  else closeWith(tunnel, code);
}
