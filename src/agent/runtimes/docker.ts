import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { RESTART_LIMITS, type RestartLimits } from '../../desktop/restart-policy.ts';
import { GatewayError } from '../../errors.ts';
import type { SocketClaim } from '../../process/socket-claim.ts';
import type { SessionSpec } from '../../protocol/session.ts';
import { containerBodyOf, streamerIn, toolsPortIn, vncPortIn } from '../docker/container-body.ts';
import { DockerEngine } from '../docker/engine.ts';
import { isPortTaken, isStatus } from '../docker/failures.ts';
import { homeVolumeOf } from '../docker/homes.ts';
import { encodeLabels, portsOf } from '../docker/labels.ts';
import { bindsOf, openMountRoots, type MountRoot } from '../docker/mounts.ts';
import { DEFAULT_ALLOWED_IMAGES, DockerPolicy } from '../docker/policy.ts';
import { untilReady } from '../docker/readiness.ts';
import { foldersOf, makeFolder, Remover, type Remains } from '../docker/remains.ts';
import type { ImageFacts } from '../docker/replies.ts';
import { DEFAULT_SLICES, UdpSlices, type SliceOptions } from '../docker/udp-slices.ts';
import { DockerWatch } from '../docker/watch.ts';
import { claimHome } from '../home-claims.ts';
import { adoptContainers } from './docker-adoption.ts';
import { DockerSession, type DockerSessionFacts } from './docker-session.ts';
import type { RunningSession, Runtime, StartOptions } from './runtime.ts';

export interface DockerRuntimeOptions {
  agentId: string;
  /** As DOCKER_HOST: unix:///var/run/docker.sock. */
  dockerHost: string;
  /** Sessions' private folders lie in it. */
  runtimeDir: string;
  /** What sessions run that name no image. */
  image: string;
  allowImages?: readonly string[];
  /** Further ones, that may start as root. */
  allowRootImages?: readonly string[];
  /** Addresses that viewers are to send media to. */
  nat1to1: readonly string[];
  slices?: SliceOptions;
  /** All viewers of a session on one port. */
  udpMux?: boolean;
  /** Also offer WebRTC over this TCP port of each container; it isn't published. */
  tcpMux?: number | undefined;
  /** The host's address that UDP ports are published on; all of them when left out. */
  publishAddress?: string;
  /** Folders of the host that sessions may have parts of. */
  mountRoots?: readonly MountRoot[];
  /** A file with the seccomp profile of sessions; the daemon's own when left out. */
  seccompFile?: string | undefined;
  restartLimits?: RestartLimits;
  log: Logger;
}

/** Another program may take a port between our look and the daemon's try. */
const START_TRIES_MAX = 4;

/** Runs each session as a container with a network and a slice of UDP ports of its own. */
export class DockerRuntime implements Runtime {
  readonly name = 'docker';
  readonly udpPorts: Runtime['udpPorts'];
  readonly #options: DockerRuntimeOptions;
  readonly #policy: DockerPolicy;
  readonly #engine: DockerEngine;
  readonly #slices: UdpSlices;
  readonly #remover: Remover;
  readonly #seccompProfile: string | undefined;
  readonly #mountRoots: readonly MountRoot[];
  readonly #epoch = randomUUID();
  /** By container; with what is claimed of the host for it. */
  readonly #sessions = new Map<string, { session: DockerSession; claims: SocketClaim[] }>();
  #watch: DockerWatch | undefined;

  /**
   * @throws GatewayError DOCKER_UNAVAILABLE for an address that is none, DEPENDENCY_MISSING for a profile that can't be read, BAD_REQUEST for
   * a folder of the host that sessions can't have
   */
  constructor(options: DockerRuntimeOptions) {
    this.#options = options;
    this.#seccompProfile = options.seccompFile === undefined ? undefined : readProfile(options.seccompFile);
    this.#mountRoots = openMountRoots(options.mountRoots ?? [], placesOfOurs(options));
    const slices = sliceOptionsOf(options);
    this.udpPorts = slices.range;
    this.#policy = new DockerPolicy({
      agentId: options.agentId,
      // Its operator named that one, too.
      allowImages: [...(options.allowImages ?? DEFAULT_ALLOWED_IMAGES), options.image],
      allowRootImages: options.allowRootImages ?? [],
      mountRoots: this.#mountRoots,
      udpPorts: slices.range,
      udpPortsMax: slices.size,
      publishAddress: options.publishAddress ?? '',
      seccompProfile: this.#seccompProfile,
    });
    this.#engine = new DockerEngine({ host: options.dockerHost, agentId: options.agentId, policy: this.#policy });
    this.#slices = new UdpSlices(slices, async () =>
      (await this.#engine.listAllLabels()).map(portsOf).filter((ports) => ports !== undefined),
    );
    this.#remover = new Remover(this.#engine, options.log);
  }

  get mountRoots(): string[] {
    return this.#mountRoots.map(({ name }) => name);
  }

  get freeSlots(): number {
    return this.#slices.free;
  }

  /** @throws GatewayError DOCKER_UNAVAILABLE */
  async recover(): Promise<RunningSession[]> {
    const { runtimeDir, log } = this.#options;
    const deps = { engine: this.#engine, slices: this.#slices, remover: this.#remover, runtimeDir, log };
    const adopted = await adoptContainers(deps);
    const sessions = adopted.map(({ facts, owned, claims }) => this.#own(facts, owned, claims));
    // It looks at all of them once it is open: what happened to them before is seen then.
    this.#watchDocker();
    return sessions;
  }

  async prepare(spec: SessionSpec, options: StartOptions): Promise<void> {
    bindsOf(this.#mountRoots, spec.mounts);
    await this.#getImage(this.#imageOf(spec), options);
  }

  async start(sessionId: string, spec: SessionSpec, options: StartOptions): Promise<RunningSession> {
    const { signal, onProgress } = options;
    signal.throwIfAborted();
    const image = this.#imageOf(spec);
    this.#watchDocker();
    const facts = await this.#getImage(image, options);
    if (facts.startsAsRoot) this.#policy.checkRootImage(image);
    const passOver = new Set<number>();
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      onProgress('starting the container');
      try {
        return await this.#startOnce({ sessionId, spec, image, facts }, passOver, options);
      } catch (thrown) {
        if (!isPortTaken(thrown) || tries === START_TRIES_MAX) throw thrown;
        this.#options.log.warn(
          { sessionId, reason: String(thrown) },
          'Docker could not publish these ports; others are tried',
        );
      }
    }
  }

  async removeHome(home: string): Promise<void> {
    const claim = await claimHome(home);
    try {
      await this.#engine.removeVolume(homeVolumeOf(home));
    } finally {
      await claim.release();
    }
  }

  /** Sessions run on; only what watches them ends. */
  async close(): Promise<void> {
    await this.#watch?.stop();
    const left = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(left.map(({ session }) => session.leave()));
    await Promise.all(left.flatMap(({ claims }) => claims.map((claim) => claim.release())));
  }

  /** @throws GatewayError POLICY_REFUSED */
  #imageOf(spec: SessionSpec): string {
    const image = spec.image ?? this.#options.image;
    this.#policy.checkImage(image);
    return image;
  }

  async #getImage(image: string, { signal, onProgress }: StartOptions): Promise<ImageFacts> {
    const known = await this.#engine.findImage(image);
    if (known) return known;
    onProgress(`pulling ${image}`);
    await this.#engine.pull(image, { signal, onProgress });
    const pulled = await this.#engine.findImage(image);
    if (!pulled)
      throw new GatewayError('IMAGE_MISSING', `the image ${image} was pulled, and is not there; was it removed?`);
    return pulled;
  }

  async #startOnce(
    order: { sessionId: string; spec: SessionSpec; image: string; facts: ImageFacts },
    passOver: Set<number>,
    { signal, onProgress }: StartOptions,
  ): Promise<RunningSession> {
    const { sessionId, spec, facts } = order;
    const { agentId, runtimeDir, log } = this.#options;
    await using opening = new AsyncDisposableStack();
    const slice = opening.adopt(await this.#slices.claim(passOver), (claimed) => claimed.release());
    passOver.add(slice.ports.min);
    const claims: SocketClaim[] = [slice];
    if (spec.home !== undefined) claims.push(opening.adopt(await claimHome(spec.home), (claimed) => claimed.release()));
    const labels = encodeLabels({
      agentId,
      sessionId,
      epoch: this.#epoch,
      spec,
      ports: slice.ports,
      created: new Date().toISOString(),
    });
    const remains: Remains = { folder: foldersOf(runtimeDir, sessionId), gently: spec.home !== undefined };
    await this.#remover.settle(remains.folder);
    opening.defer(() => this.#remover.remove(remains));
    await makeFolder(remains.folder);
    const secrets = { adminPassword: newPassword(), userPassword: newPassword() };
    const network = `nekogate-${sessionId}`;
    if (spec.home !== undefined)
      await this.#engine.ensureVolume(homeVolumeOf(spec.home), { 'nekogate.agent': agentId });
    remains.networkId = await this.#replacing(sessionId, ['container', 'network'], () =>
      this.#engine.createNetwork(network, labels),
    );
    signal.throwIfAborted();
    const body = containerBodyOf({
      ...order,
      ports: slice.ports,
      secrets,
      network,
      labels,
      binds: bindsOf(this.#mountRoots, spec.mounts),
      nat1to1: this.#options.nat1to1,
      udpMux: this.#options.udpMux ?? false,
      tcpMux: this.#options.tcpMux,
      publishAddress: this.#options.publishAddress ?? '',
      seccompProfile: this.#seccompProfile,
    });
    const containerId = await this.#replacing(sessionId, ['container'], () =>
      this.#engine.createContainer(network, body),
    );
    remains.containerId = containerId;
    signal.throwIfAborted();
    this.#recheckMounts(spec.mounts);
    await this.#engine.start(containerId);
    onProgress('waiting for the first frame');
    const container = { id: containerId, adminPassword: secrets.adminPassword, memoryMb: spec.resources.memoryMb };
    const baseUrl = await untilReady(this.#engine, container, signal);
    log.info({ sessionId, container: containerId.slice(0, 12), ports: labels['nekogate.ports'] }, 'a container runs');
    const session: DockerSessionFacts = {
      sessionId,
      containerId,
      streamer: streamerIn(facts),
      folder: remains.folder,
      adminPassword: secrets.adminPassword,
      vncPort: vncPortIn(facts),
      toolsPort: toolsPortIn(facts),
      memoryMb: spec.resources.memoryMb,
      mounts: spec.mounts,
      ports: slice.ports,
      baseUrl,
      health: { state: 'running' },
    };
    return this.#own(session, opening.move(), claims);
  }

  /** What an earlier start of the same session left under its name is taken away, where it is in the way. */
  async #replacing<T>(sessionId: string, kinds: ('container' | 'network')[], make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || !isStatus(thrown.cause, 409)) throw thrown;
      const engine = this.#engine;
      const ofSession = ({ labels }: { labels: Record<string, string> }): boolean =>
        labels['nekogate.session'] === sessionId;
      if (kinds.includes('container'))
        for (const { id } of (await engine.listOwn()).filter(ofSession)) await engine.remove(id);
      if (kinds.includes('network'))
        for (const { id } of (await engine.listOwnNetworks()).filter(ofSession)) await engine.removeNetwork(id);
      return make();
    }
  }

  #own(facts: DockerSessionFacts, owned: AsyncDisposableStack, claims: SocketClaim[]): DockerSession {
    const { restartLimits: limits = RESTART_LIMITS, log } = this.#options;
    owned.defer(() => void this.#sessions.delete(facts.containerId));
    const beforeStart = (): void => this.#recheckMounts(facts.mounts);
    const session = new DockerSession(facts, { engine: this.#engine, limits, owned, beforeStart, log });
    this.#sessions.set(facts.containerId, { session, claims });
    return session;
  }

  /** Docker looks for the folders at each start, and by then a link may be where one was. @throws GatewayError POLICY_REFUSED */
  #recheckMounts(mounts: SessionSpec['mounts']): void {
    bindsOf(this.#mountRoots, mounts);
  }

  #watchDocker(): void {
    this.#watch ??= new DockerWatch(
      this.#engine,
      {
        onEvent: ({ id, action }) => {
          const session = this.#sessions.get(id)?.session;
          if (action === 'oom') session?.noteOutOfMemory();
          // Nothing else that happens to a container changes whether it runs.
          if (['die', 'destroy', 'pause', 'unpause', 'start'].includes(action)) session?.look();
        },
        onGap: () => {
          for (const { session } of this.#sessions.values()) session.look();
          this.#remover.retry();
        },
      },
      this.#options.log,
    );
  }
}

function sliceOptionsOf({ slices = DEFAULT_SLICES, udpMux = false }: DockerRuntimeOptions): SliceOptions {
  return udpMux ? { ...slices, size: 1 } : slices;
}

/** Docker's socket is as good as root, and in the sessions' folders lie tokens. */
function placesOfOurs({ dockerHost, runtimeDir }: DockerRuntimeOptions): string[] {
  return [runtimeDir, ...(dockerHost.startsWith('unix://') ? [dockerHost.slice('unix://'.length)] : [])];
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

function readProfile(file: string): string {
  try {
    // Without its white space, since it goes along with each container.
    return JSON.stringify(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new GatewayError('DEPENDENCY_MISSING', `the seccomp profile ${file} can't be read: ${String(cause)}`, {
      cause,
    });
  }
}
