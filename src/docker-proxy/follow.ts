import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { toGatewayError } from '../errors.ts';
import type { Engine, Listed } from './engine.ts';

export interface FollowDeps {
  engine: Pick<Engine, 'watch' | 'listContainers'>;
  owner: string;
  log: Logger;
}

/** Neither may reject. */
export interface Follower {
  onAll: (containers: Listed) => Promise<void>;
  onOne: (containerId: string) => Promise<void>;
}

const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;
/** The daemon drops events for slow readers, and says nothing. */
const LOOK_ALL_MS = 60_000;

/** Tells of an owner's containers: of one after each of its events, of all after every gap and each minute. Resolves after the signal. */
export async function follow(deps: FollowDeps, follower: Follower, signal: AbortSignal): Promise<void> {
  const { engine, owner, log } = deps;
  let retryMs = RETRY_MIN_MS;
  let said = '';
  const timer = setInterval(() => void lookAtAll(deps, follower), LOOK_ALL_MS);
  while (!signal.aborted) {
    const onOpen = (): void => {
      retryMs = RETRY_MIN_MS;
      said = '';
      void lookAtAll(deps, follower);
    };
    try {
      await engine.watch(owner, { onOpen, onEvent: (id) => void follower.onOne(id) }, signal);
    } catch (error) {
      const { message } = toGatewayError(error);
      if (!signal.aborted && message !== said)
        log.warn({ err: error }, `the daemon's events are lost; they are asked for again: ${message}`);
      said = message;
    }
    // Ended early by the stop.
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
  }
  clearInterval(timer);
}

async function lookAtAll({ engine, owner, log }: FollowDeps, { onAll }: Follower): Promise<void> {
  try {
    await onAll(await engine.listContainers(owner));
  } catch (error) {
    log.debug({ err: error }, 'the containers could not be looked at; the next look comes');
  }
}
