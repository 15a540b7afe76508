import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ports } from '../desktop/state.ts';
import { GatewayError } from '../errors.ts';
import { claimSocket, type SocketClaim } from '../process/socket-claim.ts';
import { claimUdpPorts, isUdpFree } from './udp-claims.ts';

export interface SlotOptions {
  /** HTTP port of slot 0; slot k has the k-th after it. */
  httpBase: number;
  /** First UDP port of slot 0; each slot has the next `udpSize`. */
  udpBase: number;
  /** Each viewer takes one UDP port per network interface. */
  udpSize: number;
  count: number;
}

/** 59000 to 59991: eight viewers on a host with two addresses. Ports of local processes cost nothing, unlike published ones. */
export const DEFAULT_SLOTS: SlotOptions = { httpBase: 18_100, udpBase: 59_000, udpSize: 16, count: 62 };

/** Longer than a look whether ports are free takes. */
const RECLAIM_MS = 1000;
const RECLAIM_POLL_MS = 20;

/** Ports of this host that nobody else of ours takes until it is released. */
export interface Slot {
  readonly ports: Ports;
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Claims the first free slot. What claims it is an abstract unix socket named after its ports (unix(7)): exactly one process can have
 * it, whatever user or folder it works with; it belongs to the same network namespace as the ports; and the kernel takes
 * it back when the process dies, however it dies. Ports that another program uses are passed over.
 * @throws GatewayError SESSION_LIMIT when no slot is free
 */
export async function claimSlot(options: SlotOptions = DEFAULT_SLOTS): Promise<Slot> {
  for (let index = 0; index < options.count; index += 1) {
    const ports = portsOf(options, index);
    const claim = await claimPorts(ports);
    if (!claim) continue;
    if (await areFree(ports)) return { ports, release: () => claim.release() };
    await claim.release();
  }
  throw new GatewayError(
    'SESSION_LIMIT',
    `all ${options.count} port slots of this host are taken (HTTP from ${options.httpBase}, UDP from ${options.udpBase}); stop a session`,
  );
}

/**
 * Claims the slot of a session that runs already. Waits a moment for one that looks for a free slot to let go of it.
 * @returns undefined when somebody keeps it
 */
export async function reclaimSlot(ports: Ports): Promise<Slot | undefined> {
  const deadline = Date.now() + RECLAIM_MS;
  for (;;) {
    const claim = await claimPorts(ports);
    if (claim) return { ports, release: () => claim.release() };
    if (Date.now() > deadline) return undefined;
    await sleep(RECLAIM_POLL_MS);
  }
}

/** How many sessions' ports are free now. */
export async function countFreeSlots(options: SlotOptions = DEFAULT_SLOTS): Promise<number> {
  const slots = Array.from({ length: options.count }, (_, index) => portsOf(options, index));
  return (await Promise.all(slots.map(areFree))).filter(Boolean).length;
}

/** The slot, and its UDP ports, which containers of another agent may have. */
async function claimPorts(ports: Ports): Promise<SocketClaim | undefined> {
  const slot = await claimSocket(nameOf(ports));
  if (!slot) return undefined;
  const udp = await claimUdpPorts(ports.udp);
  if (!udp) await slot.release();
  return udp && { release: async () => void (await Promise.all([udp.release(), slot.release()])) };
}

function nameOf({ http, udp }: Ports): string {
  return `\0nekogate-slot-${http}-${udp.min}`;
}

function portsOf({ httpBase, udpBase, udpSize }: SlotOptions, index: number): Ports {
  const min = udpBase + index * udpSize;
  return { http: httpBase + index, udp: { min, max: min + udpSize - 1 } };
}

async function areFree({ http, udp }: Ports): Promise<boolean> {
  const udpPorts = Array.from({ length: udp.max - udp.min + 1 }, (_, offset) => udp.min + offset);
  const free = await Promise.all([isTcpFree(http), ...udpPorts.map(isUdpFree)]);
  return free.every(Boolean);
}

async function isTcpFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    // Without this wait the port would still be taken when its user binds it.
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
