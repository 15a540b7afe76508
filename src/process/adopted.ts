import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildExit, Supervised } from './child.ts';
import { killGroup, signalGroup } from './group.ts';
import { readTail } from './log-file.ts';
import { LogRing } from './log-ring.ts';
import { isAlive, type ProcessIdentity } from './table.ts';

/** Nobody tells of the end of a process that is not our child, so it is looked for. */
const POLL_MS = 200;

export interface AdoptedOptions {
  /** What it is called in messages. */
  name: string;
  /** Where its output goes. */
  logFile: string;
  stopGraceMs: number;
}

/** A process, leader of its group, that another process of ours started and did not outlive. */
export class AdoptedProcess implements Supervised {
  readonly exited: Promise<ChildExit>;
  readonly log = new LogRing();
  readonly #identity: ProcessIdentity;
  readonly #options: AdoptedOptions;
  #stopping: Promise<void> | undefined;

  constructor(identity: ProcessIdentity, options: AdoptedOptions) {
    this.#identity = identity;
    this.#options = options;
    this.exited = this.#untilGone();
  }

  /** SIGTERM to its whole group, after the grace SIGKILL; resolves once it is gone. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const { pid } = this.#identity;
    const { name, logFile, stopGraceMs } = this.#options;
    // The number of one that is gone may be another's by now.
    if (isAlive(this.#identity)) {
      signalGroup(pid, 'SIGTERM');
      const graced = new AbortController();
      await Promise.race([
        this.exited,
        sleep(stopGraceMs, undefined, { signal: graced.signal }).catch(() => undefined),
      ]).finally(() => graced.abort());
      if (isAlive(this.#identity)) await killGroup(pid, name);
    }
    await this.exited;
    for (const line of readTail(logFile)) this.log.push(line);
  }

  async #untilGone(): Promise<ChildExit> {
    while (isAlive(this.#identity)) await sleep(POLL_MS);
    return { kind: 'unseen' };
  }
}
