import type { Driver } from '../../computer/driver.ts';
import { ControlRefusal, type Holder } from '../../computer/holder.ts';
import { GatewayError } from '../../errors.ts';
import type { Logins } from '../logins/logins.ts';

/** Programs that wait for the controls of one session; one more is refused with TOO_MANY_REQUESTS. */
const QUEUE_MAX = 16;
/** A hold that is drawn out by less is not told to viewers: a program acts many times a second. */
const TOLD_MS = 5000;
const RELEASE_MS = 5000;

export interface LeasesOptions {
  /** How long a program keeps the controls after it last acted. */
  holdMs: number;
}

/** A program in a session, and until when it holds what it holds. */
interface Lease {
  sessionId: string;
  name: string;
  driver: Driver;
  until: number;
  toldUntil: number;
}

interface Waiting {
  name: string;
  wake: () => void;
}

/**
 * Until when each program may keep the controls that it has, and who is next. neko itself decides who has them, persons and programs alike; here
 * stands what it doesn't know, and viewers are told of it by `gateway/lease`.
 */
export class Leases {
  readonly #logins: Logins;
  readonly #options: LeasesOptions;
  readonly #leases = new Map<string, Lease>();
  readonly #queues = new Map<string, Waiting[]>();

  constructor(logins: Logins, options: LeasesOptions) {
    this.#logins = logins;
    this.#options = options;
  }

  /** Follows a program that has come in, by its access. */
  enter(accessId: string, { sessionId, name, driver }: Pick<Lease, 'sessionId' | 'name' | 'driver'>): void {
    const lease = { sessionId, name, driver, until: 0, toldUntil: 0 };
    this.#leases.set(accessId, lease);
    driver.onChange = () => this.#changed(sessionId);
    this.renew(accessId);
  }

  leave(accessId: string): void {
    const lease = this.#leases.get(accessId);
    if (!lease || !this.#leases.delete(accessId)) return;
    this.#changed(lease.sessionId);
  }

  /** It acts: its hold goes on, unless somebody waits for it to end. */
  renew(accessId: string): void {
    const lease = this.#leases.get(accessId);
    if (!lease) return;
    const isWaitedFor = lease.driver.stand === 'driving' && this.queueOf(lease.sessionId).length > 0;
    if (isWaitedFor) return;
    lease.until = Date.now() + this.#options.holdMs;
    if (lease.until - lease.toldUntil >= TOLD_MS) this.#tell(lease.sessionId);
  }

  /** The program that has this name at the session's neko. */
  find(sessionId: string, nekoId: string): Holder | undefined {
    const lease = this.#of(sessionId).find(({ driver }) => driver.id === nekoId);
    return lease && holderOf(lease);
  }

  /** Who drives, as this program knows it. */
  driverOf(accessId: string): Holder | undefined {
    const lease = this.#leases.get(accessId);
    return lease?.driver.stand === 'driving' ? holderOf(lease) : lease?.driver.otherHolder;
  }

  /** The names of who waits, the next first. */
  queueOf(sessionId: string): string[] {
    return (this.#queues.get(sessionId) ?? []).map(({ name }) => name);
  }

  /**
   * Resolves once this program drives, in its turn when they are somebody else's.
   * @throws GatewayError CONTROL_TAKEN, a ControlRefusal, when they were not free in that time | TOO_MANY_REQUESTS | FORBIDDEN
   */
  async take(accessId: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const lease = this.#leases.get(accessId);
    if (!lease) throw new GatewayError('AGENT_OFFLINE', "the program's login has ended");
    const { sessionId, name, driver } = lease;
    if (driver.stand === 'driving') {
      this.renew(accessId);
      return;
    }
    const queue = this.#queues.get(sessionId) ?? [];
    if (queue.length >= QUEUE_MAX)
      throw new GatewayError('TOO_MANY_REQUESTS', `${QUEUE_MAX} programs wait for the controls already`);
    const me: Waiting = { name, wake: () => undefined };
    const limit = AbortSignal.timeout(waitMs);
    this.#queues.set(sessionId, [...queue, me]);
    try {
      for (;;) {
        const changed = Promise.withResolvers<void>();
        me.wake = () => changed.resolve();
        if (this.#queues.get(sessionId)?.[0] === me || limit.aborted) {
          const refusal = await driver.takeControls(signal).catch((thrown: unknown) => {
            if (thrown instanceof ControlRefusal && !limit.aborted) return thrown;
            throw thrown;
          });
          if (refusal === undefined) {
            lease.until = Date.now() + this.#options.holdMs;
            return;
          }
        }
        const keepHold = this.#endHoldInTime(sessionId);
        await firstOf(changed.promise, AbortSignal.any([signal, limit]));
        keepHold();
        signal.throwIfAborted();
      }
    } finally {
      const rest = (this.#queues.get(sessionId) ?? []).filter((waiting) => waiting !== me);
      if (rest.length > 0) this.#queues.set(sessionId, rest);
      else this.#queues.delete(sessionId);
      this.#wake(sessionId);
    }
  }

  /** While somebody waits, a program's hold ends when it said. */
  #endHoldInTime(sessionId: string): () => void {
    const holder = this.#of(sessionId).find(({ driver }) => driver.stand === 'driving');
    if (!holder) return () => undefined;
    // Where it fails, its login is ending, and the controls with it.
    const end = (): void => void holder.driver.release(AbortSignal.timeout(RELEASE_MS)).catch(() => undefined);
    const timer = setTimeout(end, Math.max(0, holder.until - Date.now()));
    return () => clearTimeout(timer);
  }

  #changed(sessionId: string): void {
    this.#tell(sessionId);
    this.#wake(sessionId);
  }

  #wake(sessionId: string): void {
    for (const { wake } of this.#queues.get(sessionId) ?? []) wake();
  }

  #tell(sessionId: string): void {
    const concerned = this.#of(sessionId).filter(({ driver }) => driver.stand !== 'idle');
    for (const lease of concerned) lease.toldUntil = lease.until;
    this.#logins.setPrograms(
      sessionId,
      concerned.map(({ name, driver, until }) => ({
        id: driver.id,
        name,
        state: driver.stand,
        until: new Date(until).toISOString(),
      })),
    );
  }

  #of(sessionId: string): Lease[] {
    return [...this.#leases.values()].filter((lease) => lease.sessionId === sessionId);
  }
}

function holderOf({ name, until }: Lease): Holder {
  return { kind: 'program', name, until: new Date(until).toISOString() };
}

/** Resolves with the event or the abort, whichever is first. */
async function firstOf(event: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal.addEventListener('abort', onAbort);
  try {
    await Promise.race([event, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
