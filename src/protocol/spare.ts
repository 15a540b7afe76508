import { z } from 'zod';

/** Open WebSockets that an agent keeps at `/api/v1/agents/spare` for tunnels to come. */
export const SPARES_PER_AGENT = 2;
/** Those that a gateway keeps for one agent; more are refused with TOO_MANY_REQUESTS. */
export const SPARES_MAX_PER_AGENT = 8;

/** The one frame by which a spare becomes the tunnel of this ticket; what follows it is the tunnel's. */
export const SpareClaim = z.object({ ticket: z.string().regex(/^[0-9a-f]{64}$/) });
export type SpareClaim = z.infer<typeof SpareClaim>;
