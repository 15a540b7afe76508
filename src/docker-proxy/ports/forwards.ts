import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Engine, Inspected } from '../engine.ts';
import { follow } from '../follow.ts';
import { tooMany } from '../limits.ts';
import type { RemoteHost } from '../remote.ts';
import { ByteReader } from '../streams/byte-reader.ts';
import { reset, splice } from '../streams/splice.ts';
import { normalPort, readAsked, wishesOf, type Wish } from './asked.ts';
import type { PortChoices } from './choices.ts';
import { listen, type Listener } from './listeners.ts';

export interface ForwardsDeps {
  engine: Engine;
  remote: Pick<RemoteHost, 'dialPort' | 'checkForwarding'>;
  choices: PortChoices;
  /** Whose containers these are, by their label. */
  owner: string;
  /** Published at once. */
  portsMax: number;
  log: Logger;
}

/** A local port as people see it, and what it is. */
export interface ForwardStatus {
  container: string;
  name: string;
  port: string;
  /** As the user asked: empty for every address, which here is the loopback's two. */
  address: string;
  localPort: number | undefined;
  remotePort: number | undefined;
  connections: number;
  failure?: string;
}

/** A start under way: the container's ports are held for it. */
export interface HeldPorts {
  /** The daemon has answered, or never will: from now on the ports follow the container. Never rejects. */
  release(): Promise<void>;
}

/** Of a container that runs, or is about to. */
interface Forward {
  name: string;
  wishes: Wish[];
  listeners: Listener[];
  /** By the container's port. */
  remote: Map<string, number>;
  failure: string | undefined;
  connections: Map<string, number>;
}

/** For a slow reader; a container's end may also never be told to who is connected. */
const LEAVE_MS = 10_000;
/** Containers that are looked at together. */
const LOOKS_AT_ONCE = 8;

/**
 * Local ports in front of a remote host's containers. They follow what the daemon says of the containers, by its events and by looking at all of
 * them after every gap; passing requests only make them come sooner.
 */
export class Forwards {
  readonly #deps: ForwardsDeps;
  readonly #forwards = new Map<string, Forward>();
  /** One thing at a time for each container. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #holds = new Map<string, number>();
  /** Of containers that are gone, for who still reads what these said last. */
  readonly #leaving = new Set<Listener>();
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;

  constructor(deps: ForwardsDeps) {
    this.#deps = deps;
    this.#watching = follow(
      deps,
      {
        onAll: (containers) => this.#lookAtAll(containers.map(({ Id }) => Id)),
        onOne: (id) => this.#look(id),
      },
      this.#stopping.signal,
    );
  }

  /**
   * Binds the ports of a container that is about to start, and keeps them until released.
   * @returns undefined for containers that publish nothing through this proxy
   * @throws GatewayError PORT_TAKEN | SSH_FORWARDING_REFUSED, and whatever keeps the daemon from being asked
   */
  async hold(ref: string): Promise<HeldPorts | undefined> {
    const { engine, remote, owner } = this.#deps;
    const container = await engine.findContainer(ref);
    if (container === undefined || readAsked(container, owner) === undefined) return undefined;
    await remote.checkForwarding();
    const { Id: id } = container;
    this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1);
    const release = async (): Promise<void> => {
      this.#holds.set(id, (this.#holds.get(id) ?? 1) - 1);
      if (this.#holds.get(id) === 0) this.#holds.delete(id);
      await this.#look(id);
    };
    try {
      await this.#bindOrFree(container);
    } catch (error) {
      await release();
      throw sayAsDocker(error, container);
    }
    return { release };
  }

  /** Where a container's port is to be found here, as inspect shows it; empty when it is not. */
  shown(containerId: string, port: string): { HostIp: string; HostPort: string }[] {
    const listeners = this.#forwards.get(containerId)?.listeners ?? [];
    return listeners
      .filter(({ wish }) => wish.port === normalPort(port))
      .flatMap(({ wish, localPort }) =>
        (wish.address === '' ? ['0.0.0.0', '::'] : [wish.address]).map((HostIp) => ({
          HostIp,
          HostPort: String(localPort),
        })),
      );
  }

  status(): ForwardStatus[] {
    return [...this.#forwards].flatMap(([container, forward]) =>
      forward.wishes.map((wish) => ({
        container,
        name: forward.name,
        port: wish.port,
        address: wish.address,
        localPort: forward.listeners.find((listener) => listener.wish === wish)?.localPort,
        remotePort: forward.remote.get(wish.port),
        connections: forward.connections.get(wish.port) ?? 0,
        ...(forward.failure === undefined ? {} : { failure: forward.failure }),
      })),
    );
  }

  /** Idempotent. Containers run on; the next proxy takes their ports up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await Promise.all(this.#turns.values());
    for (const id of this.#forwards.keys()) this.#drop(id);
    await Promise.all([...this.#leaving].map((listener) => listener.close()));
    await this.#deps.choices.close();
  }

  async #lookAtAll(ids: readonly string[]): Promise<void> {
    this.#deps.choices.keep(ids);
    const all = [...new Set([...ids, ...this.#forwards.keys()])];
    for (let at = 0; at < all.length; at += LOOKS_AT_ONCE)
      await Promise.all(all.slice(at, at + LOOKS_AT_ONCE).map((id) => this.#look(id)));
  }

  /** Makes the ports of one container what its state asks for. Never rejects: what can't be done now, the next look does. */
  #look(id: string): Promise<void> {
    return this.#inTurn(id, async () => {
      const { engine, owner, choices, log } = this.#deps;
      try {
        const container = await engine.findContainer(id);
        if (container === undefined) choices.delete(id);
        const isUp = container !== undefined && (container.State.Running || container.State.Restarting);
        if (container === undefined || readAsked(container, owner) === undefined) return this.#drop(id);
        if (!isUp && !this.#holds.has(id)) return this.#drop(id);
        await this.#bind(container);
      } catch (error) {
        const forward = this.#forwards.get(id);
        const { message } = toGatewayError(error);
        if (forward && forward.failure !== message) {
          forward.failure = message;
          log.warn({ container: id, err: error }, `ports of a container are not here: ${message}`);
        }
      }
    });
  }

  async #bindOrFree(container: Inspected): Promise<void> {
    const bind = (): Promise<void> => this.#inTurn(container.Id, () => this.#bind(container));
    try {
      await bind();
    } catch (error) {
      if (!(error instanceof GatewayError) || !['PORT_TAKEN', 'TOO_MANY_REQUESTS'].includes(error.code)) throw error;
      // Perhaps it is taken for a container that has just ended, and the event of that is still on its way.
      await Promise.all([...this.#forwards.keys()].filter((id) => id !== container.Id).map((id) => this.#look(id)));
      await bind();
    }
  }

  /** All ports of a container or none. */
  async #bind(container: Inspected): Promise<void> {
    const { Id: id, Name, HostConfig, NetworkSettings } = container;
    const { owner, choices } = this.#deps;
    const asked = readAsked(container, owner);
    const wishes = (asked && wishesOf(asked, Object.keys(HostConfig.PortBindings ?? {}))) ?? [];
    if (this.#stopping.signal.aborted) return;
    const before = this.#forwards.get(id);
    const forward: Forward = before ?? {
      name: '',
      wishes,
      listeners: [],
      remote: new Map(),
      failure: undefined,
      connections: new Map(),
    };
    this.#forwards.set(id, forward);
    forward.name = Name.replace(/^\//, '');
    forward.remote = new Map(
      Object.entries(NetworkSettings.Ports ?? {}).flatMap(([port, list]) =>
        list?.[0] === undefined ? [] : [[normalPort(port), Number(list[0].HostPort)] as const],
      ),
    );
    if (forward.listeners.length === 0) {
      this.#refuseMore(forward);
      forward.listeners = await this.#listen(id, forward);
    }
    forward.failure = undefined;
    choices.set(
      id,
      forward.listeners.map(({ localPort }) => localPort),
    );
  }

  /** Others count that have their ports or are getting them. @throws GatewayError TOO_MANY_REQUESTS */
  #refuseMore(forward: Forward): void {
    const { portsMax } = this.#deps;
    const counting = [...this.#forwards.values()].filter(
      (one) => one === forward || one.listeners.length > 0 || one.failure === undefined,
    );
    if (counting.flatMap(({ wishes }) => wishes).length > portsMax) throw tooMany('ports', portsMax);
  }

  async #listen(id: string, forward: Forward): Promise<Listener[]> {
    await using opened = new AsyncDisposableStack();
    const had = this.#deps.choices.of(id);
    const listeners: Listener[] = [];
    for (const [index, wish] of forward.wishes.entries()) {
      const listener = await listen(wish, had[index], (socket) => void this.#carry(forward, wish.port, socket));
      opened.defer(() => listener.close());
      listeners.push(listener);
    }
    opened.move();
    return listeners;
  }

  async #carry(forward: Forward, port: string, socket: Socket): Promise<void> {
    const count = (by: number): unknown => forward.connections.set(port, (forward.connections.get(port) ?? 0) + by);
    count(1);
    try {
      const remotePort = forward.remote.get(port);
      if (remotePort === undefined) throw new GatewayError('CONTAINER_LOST', 'the container has no such port now');
      const stream = await this.#deps.remote.dialPort(remotePort);
      stream.on('error', () => undefined);
      await splice({ stream: socket, reader: new ByteReader(socket) }, { stream, reader: new ByteReader(stream) });
    } catch (error) {
      this.#deps.log.debug({ err: error }, 'a connection to a published port failed');
      reset(socket);
    } finally {
      count(-1);
    }
  }

  /** The ports are free at once. Connections end from the remote's side, with what has come from there by then. */
  #drop(id: string): void {
    const listeners = this.#forwards.get(id)?.listeners ?? [];
    this.#forwards.delete(id);
    for (const listener of listeners) {
      this.#leaving.add(listener);
      const timer = setTimeout(() => void listener.close(), LEAVE_MS);
      void listener.leave().then(() => {
        clearTimeout(timer);
        this.#leaving.delete(listener);
      });
    }
  }

  #inTurn<T>(id: string, task: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(task);
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(id) === settled) this.#turns.delete(id);
      });
    this.#turns.set(id, settled);
    return turn;
  }
}

/** What `docker run` and compose print, and what some tools look for. */
function sayAsDocker(error: unknown, { Id, Name }: Inspected): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'PORT_TAKEN') return error;
  const endpoint = `endpoint ${Name.replace(/^\//, '')} (${Id})`;
  return new GatewayError(
    'PORT_TAKEN',
    `driver failed programming external connectivity on ${endpoint}: ${error.message}`,
    {
      cause: error,
    },
  );
}
