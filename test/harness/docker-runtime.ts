import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { pino } from 'pino';
import { inject } from 'vitest';
import { DockerRuntime, type DockerRuntimeOptions } from '../../src/agent/runtimes/docker.ts';
import type { RunningSession, SessionHealth } from '../../src/agent/runtimes/runtime.ts';
import { readEnvironment } from '../../src/config.ts';
import { SessionSpec } from '../../src/protocol/session.ts';
import { dockerAt, type Docker } from './docker.ts';
import { temporaryFolder } from './folder.ts';
import { DESKTOP_IMAGE } from './images.ts';

/** A stand-in for it that starts at once and ends when told to. */
const OBEDIENT_IMAGE = 'nekogate/desktop-obedient:test';

export interface DockerHost extends AsyncDisposable {
  docker: Docker;
  agentId: string;
  image: string;
  runtimeDir: string;
  /** A runtime as a new agent's process has it; closed with the host. */
  open(options?: Partial<DockerRuntimeOptions>): DockerRuntime;
  start(runtime: DockerRuntime, sessionId: string, spec?: Partial<SessionSpec>): Promise<RunningSession>;
  /** What of this agent is in Docker: containers, networks. */
  left(): Promise<string[]>;
}

/** An agent's host with an id and folders of its own; nothing of that id is left in Docker afterwards. */
export async function openDockerHost(
  firstPort: number,
  docker: Docker = dockerAt(inject('dockerHost')),
  ensureImage: (docker: Docker) => Promise<string> = ensureObedientImage,
): Promise<DockerHost> {
  await using opening = new AsyncDisposableStack();
  const image = await ensureImage(docker);
  const agentId = `test-${randomBytes(4).toString('hex')}`;
  const label = `label=nekogate.agent=${agentId}`;
  const idsOf = async (args: string[]): Promise<string[]> =>
    (await docker.run([...args, '--quiet', '--filter', label])).split('\n').filter((id) => id !== '');
  opening.defer(async () => {
    const containers = await idsOf(['ps', '--all']);
    if (containers.length > 0) await docker.run(['rm', '--force', '--volumes', ...containers]);
    const networks = await idsOf(['network', 'ls']);
    if (networks.length > 0) await docker.run(['network', 'rm', ...networks]);
    const volumes = await idsOf(['volume', 'ls']);
    if (volumes.length > 0) await docker.run(['volume', 'rm', ...volumes]);
  });
  const folder = opening.use(await temporaryFolder());
  const runtimeDir = join(folder.path, 'run');
  const owned = opening.move();
  return {
    docker,
    agentId,
    image,
    runtimeDir,
    open(options = {}) {
      const runtime = new DockerRuntime({
        agentId,
        dockerHost: docker.host,
        runtimeDir,
        image,
        nat1to1: ['127.0.0.1'],
        slices: { range: { min: firstPort, max: firstPort + 7 }, size: 2 },
        restartLimits: { firstDelayMs: 100, maxDelayMs: 200, restartsMax: 2, peaceMs: 60_000 },
        log: pino({ level: readEnvironment().logLevel === 'info' ? 'silent' : readEnvironment().logLevel }),
        ...options,
      });
      owned.defer(() => runtime.close());
      return runtime;
    },
    start: (runtime, sessionId, spec = {}) =>
      runtime.start(sessionId, SessionSpec.parse(spec), {
        signal: new AbortController().signal,
        onProgress: () => undefined,
      }),
    left: async () => [...(await idsOf(['ps', '--all'])), ...(await idsOf(['network', 'ls']))],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Resolves with the first health that fits, the one of now included. */
export function untilHealth(session: RunningSession, fits: (health: SessionHealth) => boolean): Promise<SessionHealth> {
  if (fits(session.health)) return Promise.resolve(session.health);
  return new Promise((resolve) => {
    const end = session.onHealth((health) => {
      if (!fits(health)) return;
      end();
      resolve(health);
    });
  });
}

async function ensureObedientImage(docker: Docker): Promise<string> {
  const context = fileURLToPath(new URL('../docker/obedient', import.meta.url));
  await docker.run(['build', '--quiet', '--build-arg', `BASE=${DESKTOP_IMAGE}`, '--tag', OBEDIENT_IMAGE, context]);
  return OBEDIENT_IMAGE;
}

/** The same without all that a desktop's image has beside Node: 130 MB that are there in seconds. */
export async function importObedientImage(docker: Docker): Promise<string> {
  await using folder = await temporaryFolder();
  const root = join(folder.path, 'root');
  const { stdout: needed } = await execa('ldd', [process.execPath]);
  const libraries = [...needed.matchAll(/(?<= => |^\s*)\/\S+/gm)].map(([path]) => path);
  const files = [
    [process.execPath, '/usr/bin/node'],
    [fileURLToPath(new URL('../docker/obedient/server.mjs', import.meta.url)), '/server.mjs'],
    ...libraries.map((path) => [path, path]),
  ];
  for (const [from = '', to = ''] of files) {
    await mkdir(join(root, dirname(to)), { recursive: true });
    await copyFile(from, join(root, to));
  }
  const archive = join(folder.path, 'image.tar');
  await execa('tar', ['--directory', root, '--create', '--file', archive, '.']);
  const changes = ['ENTRYPOINT ["/usr/bin/node", "/server.mjs"]', 'USER 1000:1000', 'WORKDIR /home/nekogate'];
  await docker.run(['import', ...changes.flatMap((change) => ['--change', change]), archive, OBEDIENT_IMAGE]);
  return OBEDIENT_IMAGE;
}

export interface DaemonLink extends AsyncDisposable {
  /** As in DOCKER_HOST. */
  host: string;
  /** As if the daemon had ended: what is open breaks, and nobody listens. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

/** A way to the daemon that can break. */
export async function openDaemonLink(docker: Docker): Promise<DaemonLink> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const path = join(folder.path, 'docker.sock');
  const target = docker.host.replace('unix://', '');
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ path: target, allowHalfOpen: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  const mend = async (): Promise<void> => {
    server.listen(path);
    await once(server, 'listening');
  };
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await mend();
  opening.defer(cut);
  const owned = opening.move();
  return { host: `unix://${path}`, cut, mend, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
