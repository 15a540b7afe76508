import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { SocketClaim } from '../../process/socket-claim.ts';
import { streamerIn, toolsPortIn, vncPortIn } from '../docker/container-body.ts';
import type { DockerEngine } from '../docker/engine.ts';
import { adminPasswordOf } from '../docker/environment.ts';
import { decodeLabels, portsOf, type SessionLabels } from '../docker/labels.ts';
import { baseUrlOf, isAlive } from '../docker/readiness.ts';
import { foldersOf, isStopping, makeFolder, type Remains, type Remover } from '../docker/remains.ts';
import type { ContainerFacts, ListedContainer, ListedNetwork } from '../docker/replies.ts';
import type { UdpSlices } from '../docker/udp-slices.ts';
import { claimHome } from '../home-claims.ts';
import type { DockerSessionFacts } from './docker-session.ts';
import type { SessionHealth } from './runtime.ts';

export interface AdoptionDeps {
  engine: DockerEngine;
  slices: UdpSlices;
  remover: Remover;
  runtimeDir: string;
  log: Logger;
}

/** A session that can go on: what is known of it, what is its own, and what is claimed of the host for it. */
export interface Adopted {
  facts: DockerSessionFacts;
  owned: AsyncDisposableStack;
  claims: SocketClaim[];
}

/** One answer tells whether neko is well; a busy one gets a moment. */
const ALIVE_MS = 2000;
/** A folder without a container is one that an agent is making right now, or that a killed one never finished. */
const UNFINISHED_MS = 60_000;

/**
 * What an earlier agent of this id left: sessions that can go on are taken over, those that ended by themselves too, to be started
 * again; half-made and half-ended ones are removed. What a living agent has is left alone.
 * @throws GatewayError DOCKER_UNAVAILABLE
 */
export async function adoptContainers(deps: AdoptionDeps): Promise<Adopted[]> {
  const containers = await deps.engine.listOwn();
  const networks = await deps.engine.listOwnNetworks();
  const adopted = await Promise.all(
    containers.map((container) =>
      adopt(deps, container, networks).catch((error: unknown) => {
        deps.log.error(
          { err: error, container: container.id.slice(0, 12) },
          'a container is left alone: it could not be taken over',
        );
        return undefined;
      }),
    ),
  );
  await removeLoneNetworks(deps, containers, networks);
  await removeLoneFolders(deps);
  return adopted.filter((session) => session !== undefined);
}

async function adopt(
  deps: AdoptionDeps,
  container: ListedContainer,
  networks: ListedNetwork[],
): Promise<Adopted | undefined> {
  const { log, remover } = deps;
  const { id, labels: all } = container;
  const labels = decodeLabels(all);
  const ports = portsOf(all);
  const sessionId = all['nekogate.session'] ?? id.slice(0, 12);
  await using taking = new AsyncDisposableStack();
  const claims: SocketClaim[] = [];
  if (ports) {
    // Who has the ports has the session: of two agents that start at once, one gets it.
    const slice = await deps.slices.reclaim(ports);
    if (!slice) {
      log.warn({ sessionId, ports }, 'a session is left alone: its ports are claimed by somebody else');
      return undefined;
    }
    claims.push(taking.adopt(slice, (claimed) => claimed.release()));
  }
  const home = labels?.spec.home;
  if (home !== undefined) claims.push(taking.adopt(await claimHome(home), (claimed) => claimed.release()));
  const remains: Remains = {
    folder: foldersOf(deps.runtimeDir, sessionId),
    gently: home !== undefined,
    containerId: id,
    networkId: networks.find(({ name }) => name === `nekogate-${sessionId}`)?.id,
  };
  const facts = labels && (await factsOf(deps, container, labels, remains.folder));
  if (!facts) {
    log.warn({ sessionId, state: container.state }, 'removing a container of an earlier agent that can not go on');
    await remover.remove(remains);
    return undefined;
  }
  taking.defer(() => remover.remove(remains));
  log.info(
    { sessionId, container: id.slice(0, 12), health: facts.health.state },
    'took over a session of an earlier agent',
  );
  return { facts, owned: taking.move(), claims };
}

/** Undefined when its start or its end was under way, or its password can't be had. */
async function factsOf(
  { engine }: AdoptionDeps,
  { id, state, labels }: ListedContainer,
  { sessionId, spec, ports }: SessionLabels,
  folder: string,
): Promise<DockerSessionFacts | undefined> {
  if (!['running', 'paused', 'exited'].includes(state) || isStopping(folder)) return undefined;
  const facts = await engine.inspect(id);
  const adminPassword = facts && adminPasswordOf(facts.environment);
  if (!facts || facts.isGoing || adminPassword === undefined) return undefined;
  await makeFolder(folder);
  const baseUrl = facts.address === undefined ? '' : baseUrlOf(facts.address);
  return {
    sessionId,
    containerId: id,
    streamer: streamerIn({ labels }),
    folder,
    adminPassword,
    vncPort: vncPortIn({ labels }),
    toolsPort: toolsPortIn({ labels }),
    memoryMb: spec.resources.memoryMb,
    mounts: spec.mounts,
    ports,
    baseUrl,
    health: await healthOf(facts, { baseUrl, adminPassword }),
  };
}

async function healthOf(
  facts: ContainerFacts,
  neko: { baseUrl: string; adminPassword: string },
): Promise<SessionHealth> {
  if (facts.isPaused) return { state: 'paused' };
  if (facts.isRunning && (await isAlive(neko, AbortSignal.timeout(ALIVE_MS)).catch(() => false)))
    return { state: 'running' };
  return {
    state: 'starting',
    reason: { code: 'CONTAINER_LOST', message: 'the session was taken over, and does not answer yet' },
  };
}

/** Those whose start got no further, or whose end did not get there. */
async function removeLoneNetworks(
  { slices, remover, runtimeDir }: AdoptionDeps,
  containers: ListedContainer[],
  networks: ListedNetwork[],
): Promise<void> {
  const inUse = new Set(containers.map(({ labels }) => labels['nekogate.session']));
  for (const { id, labels } of networks.filter((network) => !inUse.has(network.labels['nekogate.session']))) {
    const ports = portsOf(labels);
    const slice = ports && (await slices.reclaim(ports));
    // A living agent of this id is making it a container.
    if (ports && !slice) continue;
    await remover.remove({ folder: foldersOf(runtimeDir, labels['nekogate.session'] ?? id), networkId: id });
    await slice?.release();
  }
}

async function removeLoneFolders({ engine, runtimeDir }: AdoptionDeps): Promise<void> {
  const parent = foldersOf(runtimeDir);
  const names = await readdir(parent).catch(() => []);
  // Another agent on this host may have the same parent folder.
  const sessions = new Set((await engine.listAllLabels()).map((labels) => labels['nekogate.session']));
  for (const name of names.filter((each) => !sessions.has(each))) {
    const { mtimeMs } = await stat(join(parent, name)).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > UNFINISHED_MS) await rm(join(parent, name), { recursive: true, force: true });
  }
}
