import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import type { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { failureOf, isStatus } from './failures.ts';
import { agentLabel } from './labels.ts';
import { eachLine, logLinesOf } from './lines.ts';
import { policed } from './policed-modem.ts';
import type { DockerPolicy } from './policy.ts';
import { followPull, missing, type PullOptions } from './pull.ts';
import {
  ContainerEvent,
  ContainerInspect,
  ContainerList,
  Created,
  ImageInspect,
  NetworkList,
  VolumeInspect,
  type ContainerFacts,
  type ImageFacts,
  type ListedContainer,
  type ListedNetwork,
} from './replies.ts';

/** The daemon answers in milliseconds; under load, publishing and removing ports has taken seconds. */
const CALL_MS = 30_000;
/** A registry that can't be reached takes the daemon half a minute to give up. */
const PULL_OPEN_MS = 120_000;

export interface EngineOptions {
  /** unix:///var/run/docker.sock or tcp://127.0.0.1:2375, as in DOCKER_HOST. */
  host: string;
  agentId: string;
  policy: DockerPolicy;
}

/**
 * What an agent asks of Docker, and the only module that can ask. Each call passes the policy first.
 * All throw GatewayError: DOCKER_UNAVAILABLE when the daemon doesn't answer, DISK_FULL, POLICY_REFUSED, DOCKER_FAILED.
 */
export class DockerEngine {
  readonly #docker: Docker;
  readonly #host: string;
  readonly #agentId: string;
  readonly #policy: DockerPolicy;

  constructor({ host, agentId, policy }: EngineOptions) {
    this.#docker = new Docker(connectionOf(host));
    const { modem } = this.#docker;
    modem.dial = policed(modem.dial.bind(modem), policy);
    this.#host = host;
    this.#agentId = agentId;
    this.#policy = policy;
  }

  async ping(): Promise<void> {
    await this.#ask('asking whether it is there', this.#docker.ping());
  }

  /** @returns undefined for one that isn't on this host */
  async findImage(name: string): Promise<ImageFacts | undefined> {
    return this.#find(ImageInspect, `looking for the image ${name}`, this.#docker.getImage(name).inspect());
  }

  /** @throws GatewayError also IMAGE_MISSING when it can't be had */
  async pull(name: string, options: PullOptions): Promise<void> {
    const opening = this.#docker.pull(name, { abortSignal: options.signal });
    const stream = await this.#ask(`pulling ${name}`, opening, PULL_OPEN_MS).catch((thrown: unknown) => {
      options.signal.throwIfAborted();
      throw thrown instanceof GatewayError && thrown.code === 'DOCKER_FAILED'
        ? missing(name, thrown.message, thrown)
        : thrown;
    });
    await followPull(name, stream, options);
  }

  async createNetwork(name: string, labels: Record<string, string>): Promise<string> {
    const making = this.#docker.createNetwork({ Name: name, Driver: 'bridge', CheckDuplicate: true, Labels: labels });
    const { id } = await this.#ask(`making the network ${name}`, making);
    this.#policy.own(id);
    return id;
  }

  /** One that is gone is fine. */
  async removeNetwork(id: string): Promise<void> {
    await this.#unlessGone(`removing the network ${id.slice(0, 12)}`, this.#docker.getNetwork(id).remove());
    this.#policy.disown(id);
  }

  /** Makes it, unless it is there. */
  async ensureVolume(name: string, labels: Record<string, string>): Promise<void> {
    const making = this.#docker.createVolume({ Name: name, Driver: 'local', Labels: labels });
    await this.#ask(`making the volume ${name}`, making);
  }

  /** One that is gone is fine. @throws GatewayError also CONFLICT for one that isn't this agent's, or that a container has */
  async removeVolume(name: string): Promise<void> {
    const what = `removing the volume ${name}`;
    const volume = this.#docker.getVolume(name);
    const facts = await this.#find(VolumeInspect, what, volume.inspect());
    if (!facts) return;
    const owner = facts.labels['nekogate.agent'];
    if (owner !== this.#agentId)
      throw new GatewayError(
        'CONFLICT',
        `${what}: it is ${owner === undefined ? 'nobody' : owner}'s, not this agent's`,
      );
    this.#policy.own(name);
    try {
      await this.#unlessGone(what, volume.remove());
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || !isStatus(thrown.cause, 409)) throw thrown;
      throw new GatewayError('CONFLICT', `${what}: a container has it; remove that first`, { cause: thrown });
    } finally {
      this.#policy.disown(name);
    }
  }

  async createContainer(name: string, body: Docker.ContainerCreateOptions): Promise<string> {
    const { id } = await this.#ask(`making the container ${name}`, this.#docker.createContainer({ ...body, name }));
    const made = Created.parse({ Id: id }).Id;
    this.#policy.own(made);
    return made;
  }

  async start(id: string): Promise<void> {
    await this.#unless(304, this.#ask('starting a container', this.#docker.getContainer(id).start()));
  }

  /** SIGTERM, and SIGKILL after the grace. */
  async stop(id: string, graceSeconds: number): Promise<void> {
    const stopping = this.#docker.getContainer(id).stop({ t: graceSeconds });
    await this.#unless(304, this.#unlessGone('stopping a container', stopping, CALL_MS + graceSeconds * 1000));
  }

  async kill(id: string): Promise<void> {
    await this.#unless(409, this.#unlessGone('killing a container', this.#docker.getContainer(id).kill()));
  }

  async pause(id: string): Promise<void> {
    await this.#ask('pausing a container', this.#docker.getContainer(id).pause());
  }

  async unpause(id: string): Promise<void> {
    await this.#ask('resuming a container', this.#docker.getContainer(id).unpause());
  }

  /** Kills it where it runs, with its anonymous volumes; one that is gone is fine. */
  async remove(id: string): Promise<void> {
    await this.#unlessGone(
      'removing a container',
      this.#docker.getContainer(id).remove({ force: true, v: true }),
      2 * CALL_MS,
    );
    this.#policy.disown(id);
  }

  /** @returns undefined for one that is gone */
  inspect(id: string): Promise<ContainerFacts | undefined> {
    return this.#find(ContainerInspect, 'inspecting a container', this.#docker.getContainer(id).inspect());
  }

  /** The last lines of what it wrote; nothing of one that is gone. */
  async logTail(id: string, lines: number): Promise<string[]> {
    const reading = this.#docker.getContainer(id).logs({ stdout: true, stderr: true, tail: lines });
    const bytes: unknown = await this.#unlessGone('reading a log', reading);
    return Buffer.isBuffer(bytes) ? logLinesOf(bytes).slice(-lines) : [];
  }

  /** This agent's containers, running or not. */
  async listOwn(): Promise<ListedContainer[]> {
    const own = await this.#list(agentLabel(this.#agentId));
    for (const { id } of own) this.#policy.own(id);
    return own;
  }

  /** The labels of every container of ours on this host, whichever agent made it. */
  async listAllLabels(): Promise<Record<string, string>[]> {
    return (await this.#list('nekogate.ports')).map(({ labels }) => labels);
  }

  async listOwnNetworks(): Promise<ListedNetwork[]> {
    const asking = this.#docker.listNetworks({ filters: { label: [agentLabel(this.#agentId)] } });
    const own = NetworkList.parse(await this.#ask('listing networks', asking));
    for (const { id } of own) this.#policy.own(id);
    return own;
  }

  /** What happens to this agent's containers, from now until the daemon or the signal ends it. `onOpen` is called once nothing is missed any more. */
  async *events(signal: AbortSignal, onOpen: () => void): AsyncGenerator<ContainerEvent> {
    const filters = { type: ['container' as const], label: [agentLabel(this.#agentId)] };
    const stream = await this.#ask(
      'opening the event stream',
      this.#docker.getEvents({ filters, abortSignal: signal }),
    );
    onOpen();
    try {
      for await (const line of eachLine(stream)) {
        const event = ContainerEvent.safeParse(JSON.parse(line));
        if (event.success) yield event.data;
      }
    } catch (cause) {
      signal.throwIfAborted();
      throw failureOf('reading events', this.#host, cause);
    } finally {
      if (stream instanceof Readable) stream.destroy();
    }
  }

  async #list(label: string): Promise<ListedContainer[]> {
    const asking = this.#docker.listContainers({ all: true, filters: { label: [label] } });
    return ContainerList.parse(await this.#ask('listing containers', asking));
  }

  async #find<Schema extends z.ZodType>(
    schema: Schema,
    what: string,
    asking: Promise<unknown>,
  ): Promise<z.output<Schema> | undefined> {
    const reply: unknown = await this.#unlessGone(what, asking);
    return reply === undefined ? undefined : schema.parse(reply);
  }

  #unlessGone<T>(what: string, asking: Promise<T>, withinMs = CALL_MS): Promise<T | undefined> {
    return this.#unless(404, this.#ask(what, asking, withinMs));
  }

  async #unless<T>(status: number, asking: Promise<T>): Promise<T | undefined> {
    try {
      return await asking;
    } catch (thrown) {
      if (thrown instanceof GatewayError && isStatus(thrown.cause, status)) return undefined;
      throw thrown;
    }
  }

  /** A daemon that hangs keeps the connection; whether it did what was asked is for the caller to see later. */
  async #ask<T>(what: string, asking: Promise<T>, withinMs = CALL_MS): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer in ${withinMs} ms`)), withinMs);
    try {
      return await Promise.race([asking, late.promise]);
    } catch (cause) {
      throw failureOf(what, this.#host, cause);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** dockerode falls back to DOCKER_HOST and its kin for what is left out; everything comes from our own configuration. */
function connectionOf(host: string): Docker.DockerOptions {
  const url = URL.canParse(host) ? new URL(host) : undefined;
  const nothing = {
    host: undefined,
    port: undefined,
    socketPath: undefined,
    timeout: undefined,
    protocol: 'http' as const,
  };
  if (url?.protocol === 'unix:' && url.pathname.startsWith('/')) return { ...nothing, socketPath: url.pathname };
  if ((url?.protocol === 'tcp:' || url?.protocol === 'http:') && url.hostname !== '')
    return { ...nothing, host: url.hostname, port: url.port === '' ? 2375 : Number(url.port) };
  throw new GatewayError(
    'DOCKER_UNAVAILABLE',
    `${host} is no address of a Docker daemon that an agent can use; it is like unix:///var/run/docker.sock or tcp://127.0.0.1:2375`,
  );
}
