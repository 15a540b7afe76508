import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { z } from 'zod';
import { openDoor, type DoorAddress } from './door/door.ts';
import { Engine } from './engine.ts';
import { Folders } from './files/folders.ts';
import { createPlanner } from './planner.ts';
import { PortChoices } from './ports/choices.ts';
import { Forwards } from './ports/forwards.ts';
import { LIMITS, type Limits } from './limits.ts';
import type { Lane, RemoteHost } from './remote.ts';

export interface DockerProxyOptions {
  address: DoorAddress;
  /** Where this machine's name for itself and its ports lie, over restarts. */
  dataDir: string;
  /** Local folders of which containers may get something; all when it is left out. */
  allowedPaths?: readonly string[] | undefined;
  /** LIMITS unless given. */
  limits?: Limits;
  log: Logger;
}

/** A running proxy. Ending it ends its clients' connections and frees its ports; containers run on. */
export interface DockerProxy extends AsyncDisposable {
  /** As in DOCKER_HOST. */
  url: string;
}

const Link = z.object({
  state: z.enum(['connected', 'connecting', 'down']),
  since: z.string(),
  connections: z.number(),
  channels: z.number(),
  lastError: z.string().optional(),
});

const Use = z.object({ now: z.number(), max: z.number() });

/** What `GET /_nekogate/status` answers. */
export const ProxyStatus = z.object({
  ssh: z.object({ control: Link, bulk: Link }),
  limits: z.object({ connections: Use, ports: Use, folders: Use }),
  forwards: z.array(
    z.object({
      container: z.string(),
      name: z.string(),
      port: z.string(),
      address: z.string(),
      localPort: z.number().optional(),
      remotePort: z.number().optional(),
      connections: z.number(),
      failure: z.string().optional(),
    }),
  ),
  folders: z.array(
    z.object({
      local: z.string(),
      remote: z.string(),
      direction: z.enum(['both ways', 'to the remote']),
      state: z.enum(['syncing', 'in step', 'paused', 'failing']),
      done: z.number(),
      total: z.number(),
      failure: z.string().optional(),
    }),
  ),
});
export type ProxyStatus = z.infer<typeof ProxyStatus>;

/** Resolves once clients may knock, whether or not the remote host can be reached by then. The proxy owns the remote. */
export async function startDockerProxy(remote: RemoteHost, options: DockerProxyOptions): Promise<DockerProxy> {
  const { address, dataDir, limits: max = LIMITS, log } = options;
  await using opening = new AsyncDisposableStack();
  opening.use(remote);
  const owner = await readOwner(dataDir);
  const engine = new Engine(() => remote.dialDocker('control'));
  const choices = await PortChoices.open(join(dataDir, 'docker-proxy-ports.json'), log);
  const forwards = new Forwards({ engine, remote, choices, owner, portsMax: max.ports, log });
  opening.defer(() => forwards.stop());
  const folders = new Folders({
    engine,
    remote,
    owner,
    memoryDir: join(dataDir, 'docker-proxy-folders'),
    foldersMax: max.folders,
    log,
  });
  opening.defer(() => folders.stop());
  const status = (): ProxyStatus => {
    const shown = { forwards: forwards.status(), folders: folders.status() };
    const limits = {
      connections: { now: door.connections(), max: max.connections },
      ports: { now: shown.forwards.length, max: max.ports },
      folders: { now: shown.folders.length, max: max.folders },
    };
    return { ssh: remote.health(), limits, ...shown };
  };
  const ownSocket = address.kind === 'socket' ? address.path : undefined;
  const sources = { remote, owner, ownSocket, allowedPaths: options.allowedPaths };
  const planner = createPlanner({ engine, forwards, folders, sources, owner, status });
  const dialDocker = (lane: Lane): Promise<Duplex> => remote.dialDocker(lane);
  const door = opening.use(await openDoor({ dialDocker, planner, connectionsMax: max.connections, log }, address));
  const owned = opening.move();
  return { url: door.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Which containers of a daemon that others use, too, are this machine's: made once, and kept. */
async function readOwner(dataDir: string): Promise<string> {
  const file = join(dataDir, 'docker-proxy-owner');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, randomUUID(), { flag: 'wx', mode: 0o600 });
  } catch {
    // It is there already; if not, reading says why.
  }
  return (await readFile(file, 'utf8')).trim();
}
