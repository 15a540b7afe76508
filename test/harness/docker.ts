import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** Debian's client: it builds with BuildKit, which another one earlier on PATH may lack. */
const CLIENT = '/usr/bin/docker';
/** Where every dockerd listens unless told otherwise. */
const DEFAULT_HOST = 'unix:///var/run/docker.sock';

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
  return startDockerd(run, socket);
}

async function startDockerd(run: string, host: string): Promise<Docker & AsyncDisposable> {
  if (process.getuid?.() !== 0)
    throw new Error('no dockerd answers, and only root can start one; start it, or add yourself to its group');
  const data = join(homedir(), '.cache', 'nekogate', 'docker');
  await mkdir(run, { recursive: true, mode: 0o700 });
  await mkdir(data, { recursive: true, mode: 0o700 });
  const logFile = join(run, 'dockerd.log');
  const args = [`--host=${host}`, `--data-root=${data}`, `--exec-root=${run}/exec`, `--pidfile=${run}/docker.pid`];
  const dockerd = execa('dockerd', args, {
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    reject: false,
    // Killed, it would leave its containers running without it.
    forceKillAfterDelay: false,
  });
  const log = dockerd.stderr.pipe(createWriteStream(logFile));
  const exited = once(dockerd.nodeChildProcess, 'exit');
  const stop = async (): Promise<void> => {
    dockerd.kill('SIGTERM');
    await exited;
    log.end();
  };
  const deadline = Date.now() + START_MS;
  while (!(await answers(host))) {
    if (dockerd.nodeChildProcess.exitCode === null && Date.now() < deadline) {
      await sleep(START_POLL_MS);
      continue;
    }
    await stop();
    const tail = (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    throw new Error(`dockerd did not start:\n${tail}`);
  }
  const docker = dockerAt(host);
  // Left by a run that was killed: this dockerd is ours alone.
  await removeContainers(docker);
  return {
    ...docker,
    [Symbol.asyncDispose]: async () => {
      await removeContainers(docker);
      await stop();
    },
  };
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
