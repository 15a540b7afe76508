import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { toGatewayError } from '../../errors.ts';
import type { DockerEngine } from './engine.ts';
import type { ContainerEvent } from './replies.ts';

const REOPEN_FIRST_MS = 250;
const REOPEN_MAX_MS = 5000;
/** The daemon drops events for readers that it takes for slow: now and then everything is looked at without one. */
const RECONCILE_MS = 60_000;

export interface WatchHandlers {
  onEvent: (event: ContainerEvent) => void;
  /** Anything may have happened: the stream was just opened, or it is time again. */
  onGap: () => void;
}

/** Follows what happens to this agent's containers for as long as it isn't stopped, through restarts of the daemon. */
export class DockerWatch {
  readonly #engine: DockerEngine;
  readonly #handlers: WatchHandlers;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  readonly #followed: Promise<void>;
  readonly #reconciling: NodeJS.Timeout;

  constructor(engine: DockerEngine, handlers: WatchHandlers, log: Logger) {
    this.#engine = engine;
    this.#handlers = handlers;
    this.#log = log;
    this.#followed = this.#follow();
    this.#reconciling = setInterval(handlers.onGap, RECONCILE_MS);
    this.#reconciling.unref();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    clearInterval(this.#reconciling);
    this.#stopped.abort();
    await this.#followed;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    let waitMs = REOPEN_FIRST_MS;
    let isAway = false;
    while (!signal.aborted) {
      const onOpen = (): void => {
        if (isAway) this.#log.info('Docker is back');
        isAway = false;
        waitMs = REOPEN_FIRST_MS;
        this.#handlers.onGap();
      };
      try {
        for await (const event of this.#engine.events(signal, onOpen)) this.#handlers.onEvent(event);
      } catch (thrown) {
        if (signal.aborted) return;
        if (!isAway)
          this.#log.warn(
            { err: toGatewayError(thrown) },
            'Docker is away; sessions that run go on, and it is tried again',
          );
        isAway = true;
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, REOPEN_MAX_MS);
    }
  }
}
