// What comes back from actions at a desktop. What a newer gateway tells of an action beyond this is passed on.
import { z } from 'zod';

const Size = z.object({ width: z.int(), height: z.int() });
const Failed = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });

const WirePicture = z.object({
  format: z.enum(['png', 'jpeg', 'webp']),
  ...Size.shape,
  /** SHA-256 of the bytes, in hex digits. */
  hash: z.string(),
  /** When it was taken, in ISO 8601. */
  takenAt: z.string(),
  sessionId: z.string(),
  screen: Size,
  /** Base64; left out where its hash is the one of `ifChanged`. */
  data: z.base64().optional(),
});
export type WirePicture = z.infer<typeof WirePicture>;

const ActionResult = z.looseObject({
  /** Which of the actions, or of the model's calls, it belongs to. */
  call: z.int(),
  type: z.string(),
  outcome: z.enum(['done', 'failed', 'skipped']),
  ms: z.number().optional(),
  error: Failed.optional(),
  position: z.object({ x: z.int(), y: z.int() }).optional(),
  picture: WirePicture.optional(),
});
export type ActionResult = z.infer<typeof ActionResult>;

export const Answer = z.object({
  /** Whether all of it was done. */
  ok: z.boolean(),
  /** The size of the picture in whose pixels the places are. */
  space: Size,
  error: Failed.extend({ call: z.int() }).optional(),
  results: z.array(ActionResult),
  /** For a model, one a call, in its dialect. */
  outputs: z.array(z.unknown()).optional(),
});
export type Answer = z.infer<typeof Answer>;
