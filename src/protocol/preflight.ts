// A look whether the ways to a host work, on a tunnel of its own: the agent says where it listens, the gateway that it has sent a datagram
// to each address, and the agent what came of that and of its own tries.
import { z } from 'zod';
import { Address, IcePlan, Port } from './ice.ts';

/** Where the agent waits for datagrams: the host's addresses, and a port of those that sessions get. */
export const PreflightListening = z.object({ addresses: z.array(Address).max(16), port: Port });
export type PreflightListening = z.infer<typeof PreflightListening>;

/** A datagram with `preflightText` went to each of the addresses but those that it could not be sent to, and why. */
export const PreflightSent = z.object({
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  unsent: z.record(Address, z.string().max(256)),
});
export type PreflightSent = z.infer<typeof PreflightSent>;

export const PreflightPath = z.object({
  plan: IcePlan,
  target: z.string().max(512).describe('An address of the host, a TURN server, or where the gateway takes TCP'),
  ok: z.boolean(),
  detail: z.string().max(1024).describe('What was tried, what happened and, where it failed, the way out'),
});
export type PreflightPath = z.infer<typeof PreflightPath>;

export const PreflightFindings = z.object({ paths: z.array(PreflightPath).max(64) });
export type PreflightFindings = z.infer<typeof PreflightFindings>;

/** What a datagram for this address says, so that what comes by another one is not taken for it. */
export function preflightText(nonce: string, target: string): string {
  return `nekogate ${nonce} ${target}`;
}
