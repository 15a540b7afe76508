import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../../errors.ts';
import type { SocketClaim } from '../../process/socket-claim.ts';
import { claimUdpPorts, isUdpFree } from '../udp-claims.ts';

/** Both ends included. */
export interface UdpPorts {
  min: number;
  max: number;
}

export interface SliceOptions {
  range: UdpPorts;
  /** Ports of one session; each viewer takes one for each of the container's interfaces, which is one. */
  size: number;
}

/**
 * 125 sessions of eight viewers. Publishing costs: with Docker 20.10 starting and removing a container took 0.36 s in all with 1 port,
 * 0.73 s with 8, 1.25 s with 16 and 6.3 s with 101.
 */
export const DEFAULT_SLICES: SliceOptions = { range: { min: 59_000, max: 59_999 }, size: 8 };

/** Longer than a look at who has which ports takes. */
const RECLAIM_MS = 1000;
const RECLAIM_POLL_MS = 20;

export interface UdpSlice {
  readonly ports: UdpPorts;
  /** Idempotent. */
  release(): Promise<void>;
}

/** Slices of a host's UDP ports, one a session. */
export class UdpSlices {
  readonly #options: SliceOptions;
  readonly #count: number;
  /** Asks which ports containers have, running or not: those of agents that are gone too. */
  readonly #takenByContainers: () => Promise<UdpPorts[]>;
  /** First ports of slices: ours now, and those that were somebody else's when they were looked at last. */
  readonly #own = new Set<number>();
  readonly #others = new Set<number>();

  constructor(options: SliceOptions, takenByContainers: () => Promise<UdpPorts[]>) {
    this.#options = options;
    this.#count = Math.floor((options.range.max - options.range.min + 1) / options.size);
    this.#takenByContainers = takenByContainers;
  }

  /** How many sessions more have ports, as far as was seen. */
  get free(): number {
    return Math.max(0, this.#count - this.#own.size - this.#others.size);
  }

  /**
   * The first slice that is nobody's: no agent's claim, no container's label, no program's socket. A claim is made before containers are
   * asked, so an agent that dies after that leaves either nothing or a container that says so.
   * @param passOver first ports of slices that the daemon would not publish
   * @throws GatewayError PORTS_EXHAUSTED
   */
  async claim(passOver: ReadonlySet<number> = new Set()): Promise<UdpSlice> {
    const { range, size } = this.#options;
    for (let index = 0; index < this.#count; index += 1) {
      const min = range.min + index * size;
      const ports = { min, max: min + size - 1 };
      if (passOver.has(min) || this.#own.has(min)) continue;
      this.#others.delete(min);
      const claim = await claimUdpPorts(ports);
      if (claim && (await this.#isFree(ports))) return this.#slice(ports, claim);
      await claim?.release();
      // Unless a claim of ours that ran beside this one has it.
      if (!this.#own.has(min)) this.#others.add(min);
    }
    throw new GatewayError(
      'PORTS_EXHAUSTED',
      `all ${this.#count} slices of ${size} UDP ports in ${range.min}-${range.max} are taken on this host; stop a session, or widen --udp-range`,
    );
  }

  /**
   * Claims the ports of a container that is there already. Waits a moment for one that only looks.
   * @returns undefined when a living agent has them
   */
  async reclaim(ports: UdpPorts): Promise<UdpSlice | undefined> {
    const deadline = Date.now() + RECLAIM_MS;
    for (;;) {
      const claim = await claimUdpPorts(ports);
      if (claim) return this.#slice(ports, claim);
      if (Date.now() > deadline) return undefined;
      await sleep(RECLAIM_POLL_MS);
    }
  }

  #slice(ports: UdpPorts, claim: SocketClaim): UdpSlice {
    this.#own.add(ports.min);
    this.#others.delete(ports.min);
    let released: Promise<void> | undefined;
    const release = (): Promise<void> => {
      this.#own.delete(ports.min);
      return claim.release();
    };
    return { ports, release: () => (released ??= release()) };
  }

  async #isFree({ min, max }: UdpPorts): Promise<boolean> {
    const ports = Array.from({ length: max - min + 1 }, (_, offset) => min + offset);
    if (!(await Promise.all(ports.map(isUdpFree))).every(Boolean)) return false;
    const taken = await this.#takenByContainers();
    return taken.every((other) => other.max < min || other.min > max);
  }
}
