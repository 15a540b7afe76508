import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** Debian's client: it builds with BuildKit, which another one earlier on PATH may lack. */
const CLIENT = '/usr/bin/docker';
/** Where every dockerd listens unless told otherwise. */
const DEFAULT_HOST = 'unix:///var/run/docker.sock';

/** Of no network that Docker gives out by itself. */
const OWN_BRIDGE_ADDRESS = '10.213.77.1/24';
const START_MS = 30_000;
const START_POLL_MS = 100;
const LOG_TAIL_LINES = 15;

/** A dockerd that answers. */
export interface Docker {
  /** As in DOCKER_HOST: `unix:///var/run/docker.sock`. */
  host: string;
  /** Runs `docker ARGS…`; resolves with what it wrote, rejects with its error when it fails. */
  run(args: readonly string[], options?: { cwd?: string; input?: string }): Promise<string>;
}

export function dockerAt(host: string): Docker {
  return {
    host,
    async run(args, options = {}) {
      const env = { DOCKER_HOST: host, DOCKER_BUILDKIT: '1', DOCKER_CLI_HINTS: 'false' };
      return (await execa(CLIENT, args, { ...options, env, stripFinalNewline: true })).stdout;
    },
  };
}

/**
 * The dockerd that is there already, by DOCKER_HOST or at its usual place; else a private one, which ends with the disposal. Its images lie in
 * the user's cache, so that they are made once; another run that comes meanwhile uses it along.
 */
export async function openDocker(dockerHost: string | undefined): Promise<Docker & AsyncDisposable> {
  const run = join(tmpdir(), `nekogate-docker-${process.getuid?.()}`);
  const socket = `unix://${join(run, 'docker.sock')}`;
  for (const host of dockerHost === undefined ? [DEFAULT_HOST, socket] : [dockerHost])
    if (await answers(host)) return { ...dockerAt(host), [Symbol.asyncDispose]: async () => undefined };
  if (dockerHost !== undefined) throw new Error(`no dockerd answers at DOCKER_HOST, ${dockerHost}`);
  return openPrivate(run, socket);
}

async function openPrivate(run: string, host: string): Promise<Docker & AsyncDisposable> {
  const data = join(homedir(), '.cache', 'nekogate', 'docker');
  await mkdir(run, { recursive: true, mode: 0o700 });
  await mkdir(data, { recursive: true, mode: 0o700 });
  const dockerd = new Dockerd({ run, host, data });
  await dockerd.start();
  // Left by a run that was killed: this dockerd is ours alone.
  await removeContainers(dockerd.docker);
  return { ...dockerd.docker, [Symbol.asyncDispose]: () => dockerd[Symbol.asyncDispose]() };
}

/**
 * A dockerd of a test's own, to be ended and started again beside whichever others there are: it leaves the host's packet filter
 * alone, so that published ports are only reached from this host, and has a bridge of its own: without one it would remove the others' docker0.
 */
export async function openOwnDockerd(flags: readonly string[]): Promise<Dockerd> {
  const run = await mkdtemp(join(tmpdir(), 'nekogate-own-docker-'));
  const bridge = `ng-${randomBytes(4).toString('hex')}`;
  await execa('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await execa('ip', ['address', 'add', OWN_BRIDGE_ADDRESS, 'dev', bridge]);
  const beside = ['--iptables=false', '--ip6tables=false', `--bridge=${bridge}`, ...flags];
  const dockerd = new Dockerd({
    run,
    host: `unix://${join(run, 'docker.sock')}`,
    data: join(run, 'data'),
    flags: beside,
  });
  dockerd.owned.defer(async () => {
    // It mounts its data over itself, and one that is killed leaves that.
    await execa('umount', ['--recursive', '--lazy', join(run, 'data')], { reject: false });
    await rm(run, { recursive: true, force: true });
    await execa('ip', ['link', 'delete', bridge]);
  });
  try {
    await dockerd.start();
    return dockerd;
  } catch (thrown) {
    await dockerd.owned.disposeAsync();
    throw thrown;
  }
}

interface DockerdOptions {
  /** A folder for its sockets, log and state. */
  run: string;
  host: string;
  data: string;
  flags?: readonly string[];
}

/** A dockerd as a process, which can be ended and started again on its data; with its containers gone when it is disposed of. */
export class Dockerd implements AsyncDisposable {
  readonly docker: Docker;
  /** What goes with it, after its end. */
  readonly owned = new AsyncDisposableStack();
  readonly #options: DockerdOptions;
  #running: { process: ReturnType<typeof spawnDockerd>; exited: Promise<unknown> } | undefined;

  constructor(options: DockerdOptions) {
    this.#options = options;
    this.docker = dockerAt(options.host);
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    if (process.getuid?.() !== 0)
      throw new Error('no dockerd answers, and only root can start one; start it, or add yourself to its group');
    const { run, host } = this.#options;
    const logFile = join(run, 'dockerd.log');
    // Of a dockerd that was killed: its containerd was killed with it, and who doesn't reap it makes it look alive.
    await rm(join(run, 'exec', 'containerd', 'containerd.pid'), { force: true });
    const dockerd = spawnDockerd(this.#options);
    dockerd.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
    this.#running = { process: dockerd, exited: once(dockerd.nodeChildProcess, 'exit') };
    const deadline = Date.now() + START_MS;
    while (!(await answers(host))) {
      if (dockerd.nodeChildProcess.exitCode === null && Date.now() < deadline) {
        await sleep(START_POLL_MS);
        continue;
      }
      await this.end('SIGTERM');
      const tail = (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
      throw new Error(`dockerd did not start:\n${tail}`);
    }
  }

  /** Resolves once its process is gone; its containers may run on. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#running?.process.kill(signal);
    await this.#running?.exited;
    this.#running = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#running) await this.start();
    await removeContainers(this.docker);
    await this.end('SIGTERM');
    await this.owned.disposeAsync();
  }
}

function spawnDockerd({ run, host, data, flags = [] }: DockerdOptions) {
  const folders = [`--data-root=${data}`, `--exec-root=${run}/exec`, `--pidfile=${run}/docker.pid`];
  return execa('dockerd', [`--host=${host}`, ...folders, ...flags], {
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    reject: false,
    // Killed, it would leave its containers running without it.
    forceKillAfterDelay: false,
  });
}

async function removeContainers(docker: Docker): Promise<void> {
  const ids = (await docker.run(['ps', '--all', '--quiet'])).split('\n').filter((id) => id !== '');
  if (ids.length > 0) await docker.run(['rm', '--force', '--volumes', ...ids]);
}

async function answers(host: string): Promise<boolean> {
  try {
    await dockerAt(host).run(['version']);
    return true;
  } catch {
    // Nobody there, or nobody who lets us in.
    return false;
  }
}
