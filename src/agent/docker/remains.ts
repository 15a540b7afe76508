import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DockerEngine } from './engine.ts';
import { isUnavailable } from './failures.ts';

/** What there is of one session that goes when it ends. */
export interface Remains {
  folder: string;
  containerId?: string | undefined;
  networkId?: string | undefined;
  /** Its home outlives it: its programs get time to write what they have in memory. */
  gently?: boolean;
}

const STOP_GRACE_SECONDS = 10;
/** Containers are told gone a moment before their network lets go of them. */
const NETWORK_TRIES = 10;
const NETWORK_RETRY_MS = 200;
/** A daemon that is restarted is back within seconds; what can't be removed by then is removed when it is. */
const AWAY_MAX_MS = 20_000;
const AWAY_POLL_MS = 500;

/** A file in a session's folder that says that it was being ended: an agent that finds it goes on with that. */
const STOPPING = 'stopping';

/** Where sessions have their private folders, or one of them its own. */
export function foldersOf(runtimeDir: string, ...sessionId: [] | [string]): string {
  return join(runtimeDir, 'c', ...sessionId);
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

export function isStopping(folder: string): boolean {
  return existsSync(join(folder, STOPPING));
}

/** Removes what sessions leave, with a daemon that may be away just then. */
export class Remover {
  readonly #engine: DockerEngine;
  readonly #log: Logger;
  /** By folder: what could not be removed yet. */
  readonly #left = new Map<string, Remains>();

  constructor(engine: DockerEngine, log: Logger) {
    this.#engine = engine;
    this.#log = log;
  }

  /** Resolves once nothing of it is left, or it could not be removed: then it is kept for `retry`. Never rejects. */
  async remove(remains: Remains): Promise<void> {
    const deadline = performance.now() + AWAY_MAX_MS;
    for (;;) {
      try {
        return await this.#removeNow(remains);
      } catch (thrown) {
        if (isUnavailable(thrown) && performance.now() < deadline) {
          await sleep(AWAY_POLL_MS);
          continue;
        }
        this.#left.set(remains.folder, remains);
        this.#log.error({ err: thrown, folder: remains.folder }, 'a session could not be removed; it is tried again');
        return;
      }
    }
  }

  /** Takes away what could not be removed of an earlier session of this folder. */
  async settle(folder: string): Promise<void> {
    const remains = this.#left.get(folder);
    if (remains) await this.#removeNow(remains);
    this.#left.delete(folder);
  }

  /** Docker may be back. */
  retry(): void {
    for (const [folder, remains] of this.#left) {
      this.#left.delete(folder);
      void this.remove(remains);
    }
  }

  /** What is removed is forgotten at once: a try that comes later doesn't ask for it again. */
  async #removeNow(remains: Remains): Promise<void> {
    const { folder, containerId, networkId, gently } = remains;
    if (containerId !== undefined) {
      await makeFolder(folder);
      await writeFile(join(folder, STOPPING), '');
      if (gently) await this.#stopGently(containerId);
      await this.#engine.remove(containerId);
      remains.containerId = undefined;
    }
    if (networkId !== undefined) {
      await this.#removeNetwork(networkId);
      remains.networkId = undefined;
    }
    await rm(folder, { recursive: true, force: true });
  }

  async #stopGently(containerId: string): Promise<void> {
    const facts = await this.#engine.inspect(containerId);
    // What is frozen hears no signal.
    if (facts?.isPaused) await this.#engine.unpause(containerId);
    if (facts?.isRunning) await this.#engine.stop(containerId, STOP_GRACE_SECONDS);
  }

  async #removeNetwork(networkId: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#engine.removeNetwork(networkId);
      } catch (thrown) {
        if (isUnavailable(thrown) || tries === NETWORK_TRIES) throw thrown;
        await sleep(NETWORK_RETRY_MS);
      }
    }
  }
}
