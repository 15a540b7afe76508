import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { assert, inject } from 'vitest';
import { dockerAt } from './docker.ts';
import { SECCOMP_FILE } from './images.ts';

export const PASSWORD = 'the-password-of-a-container';

/** What a session's container may: nothing. */
export const CONFINED = [
  ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--security-opt', `seccomp=${SECCOMP_FILE}`],
  ['--pids-limit', '512', '--memory', '2g', '--cpus', '2', '--shm-size', '512m', '--health-interval', '1s'],
].flat();

export interface Container extends AsyncDisposable {
  id: string;
  /** `http://ADDRESS:8080` on Docker's bridge. */
  baseUrl(): Promise<string>;
  /** Resolves once Docker calls it healthy; rejects when it ends before. */
  untilHealthy(): Promise<void>;
  /** Resolves with its exit code. */
  exited(): Promise<number>;
  logs(): Promise<string>;
  exec(command: readonly string[]): Promise<string>;
  /** A field of `docker inspect`, by its template. */
  inspect(template: string): Promise<string>;
}

/** `docker run` of an image, with the flags given; gone, with its anonymous volumes, when disposed of. */
export async function startContainer(image: string, flags: readonly string[]): Promise<Container> {
  const docker = dockerAt(inject('dockerHost'));
  const id = await docker.run(['run', '--detach', ...flags, image]);
  const inspect = (template: string): Promise<string> => docker.run(['inspect', '--format', template, id]);
  const logs = async (): Promise<string> => {
    const { all } = await execa('/usr/bin/docker', ['logs', id], { env: { DOCKER_HOST: docker.host }, all: true });
    return all;
  };
  return {
    id,
    inspect,
    logs,
    baseUrl: async () => `http://${await inspect('{{.NetworkSettings.IPAddress}}')}:8080`,
    async untilHealthy() {
      const filters = ['event=health_status', 'event=die'].flatMap((filter) => ['--filter', filter]);
      const args = ['events', '--since', await inspect('{{.Created}}'), '--filter', `container=${id}`, ...filters];
      const events = execa('/usr/bin/docker', [...args, '--format', '{{.Status}}'], {
        env: { DOCKER_HOST: docker.host },
        buffer: false,
        reject: false,
      });
      try {
        for await (const event of createInterface({ input: events.stdout })) {
          if (event === 'health_status: healthy') return;
          if (event === 'die') throw new Error(`the container ended: ${await logs()}`);
        }
      } finally {
        events.kill();
        await events;
      }
    },
    exited: async () => Number(await docker.run(['wait', id])),
    exec: (command) => docker.run(['exec', id, ...command]),
    [Symbol.asyncDispose]: async () => {
      await docker.run(['rm', '--force', '--volumes', id]);
    },
  };
}

/** How long `docker stop` took, in seconds. */
export async function stopContainer({ id }: Container): Promise<number> {
  const docker = dockerAt(inject('dockerHost'));
  const startedAt = performance.now();
  await docker.run(['stop', id]);
  return (performance.now() - startedAt) / 1000;
}

/** A named volume, gone when disposed of. */
export async function createVolume(name: string): Promise<AsyncDisposable> {
  const docker = dockerAt(inject('dockerHost'));
  assert.equal(await docker.run(['volume', 'create', name]), name);
  return {
    [Symbol.asyncDispose]: async () => {
      await docker.run(['volume', 'rm', '--force', name]);
    },
  };
}
