import { z } from 'zod';
import { Rung } from '../protocol/ice.ts';

/** What clients of ours tell the gateway, and not neko, in frames like neko's. */
export const FromOwnClient = z.discriminatedUnion('event', [
  /** By which way its picture comes, told when it begins to and when the way changes. */
  z.object({ event: z.literal('gateway/media'), payload: z.object({ rung: Rung }) }),
]);
export type FromOwnClient = z.infer<typeof FromOwnClient>;

const OWN_START = '{"event":"gateway/';

/** @returns undefined for a frame that is for neko, or none of ours: neko's own reading tells what is wrong with it then */
export function findOwnMessage(frame: string): FromOwnClient | undefined {
  if (!frame.startsWith(OWN_START)) return undefined;
  try {
    return FromOwnClient.safeParse(JSON.parse(frame)).data;
  } catch {
    return undefined;
  }
}
