import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { describeExit, type Child, type ChildExit } from '../process/child.ts';
import type { ProcessIdentity } from '../process/table.ts';
import { RestartPolicy, type RestartLimits } from './restart-policy.ts';

/** A part of a desktop that can be started over and over. */
export interface Part {
  /** As in "the window manager exited with code 1". */
  name: string;
  start(signal: AbortSignal): Promise<Child>;
  /** Whether it ended as its user wished; then it is started again without being counted. */
  isWish?: (exit: ChildExit, livedMs: number) => boolean;
}

export interface KeeperOptions {
  limits: RestartLimits;
  /** Told of a loss, with the reason in words, and again when the part is back (undefined). */
  onChange: (loss: string | undefined) => void;
}

/** Why a part was given up. */
export interface GivenUp {
  reason: string;
  logTail: string[];
}

/** Lines of a part's log that go along when it is given up. */
const LOG_TAIL_LINES = 40;

/** Keeps one part of a desktop running: what ends is started again, later and later, until there is no point. */
export class Keeper {
  readonly #part: Part;
  readonly #options: KeeperOptions;
  readonly #policy: RestartPolicy;
  readonly #abort = new AbortController();
  readonly #givenUp = Promise.withResolvers<GivenUp>();
  readonly #done: Promise<void>;
  #child: Child | undefined;
  #stopping: Promise<void> | undefined;

  /** Resolves once the part has started for the first time. @throws what its start throws; nothing of it is left then */
  static async start(part: Part, options: KeeperOptions, signal: AbortSignal): Promise<Keeper> {
    return new Keeper(part, await part.start(signal), options);
  }

  constructor(part: Part, child: Child, options: KeeperOptions) {
    this.#part = part;
    this.#options = options;
    this.#policy = new RestartPolicy(options.limits);
    this.#child = child;
    this.#done = this.#keep(child);
  }

  /** Resolves when the part is not restarted any more; never if that doesn't happen. */
  get givenUp(): Promise<GivenUp> {
    return this.#givenUp.promise;
  }

  /** The process that runs now, if one does. */
  get identity(): ProcessIdentity | undefined {
    return this.#child?.identity;
  }

  /** Ends the part; resolves once it is gone. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    await this.#child?.stop();
    await this.#done;
  }

  async #keep(first: Child): Promise<void> {
    let child: Child | undefined = first;
    while (child) {
      const startedAt = performance.now();
      const exit: ChildExit = await child.exited;
      await child.stop();
      this.#child = undefined;
      if (this.#abort.signal.aborted) return;
      child = await this.#restart(child, exit, performance.now() - startedAt);
    }
  }

  async #restart(lost: Child, exit: ChildExit, livedMs: number): Promise<Child | undefined> {
    let reason = `${this.#part.name} ${describeExit(exit)}`;
    let logTail = lost.log.last(LOG_TAIL_LINES);
    const lived = this.#part.isWish?.(exit, livedMs) ? Infinity : livedMs;
    for (let delay = this.#policy.next(lived); delay !== undefined; delay = this.#policy.next(0)) {
      this.#options.onChange(reason);
      try {
        await sleep(delay, undefined, { signal: this.#abort.signal });
        const child = await this.#part.start(this.#abort.signal);
        this.#child = child;
        // It may have been stopped just as the part was ready.
        if (this.#abort.signal.aborted) await child.stop();
        else this.#options.onChange(undefined);
        return child;
      } catch (thrown) {
        if (this.#abort.signal.aborted) return undefined;
        const message = messageOf(thrown);
        [reason = message, ...logTail] = message.split('\n');
      }
    }
    this.#givenUp.resolve({ reason: `${reason}, and again after every restart`, logTail });
    return undefined;
  }
}
