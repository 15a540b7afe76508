// What comes back from actions at a desktop: the answer of `POST /api/v1/sessions/:id/computer`.
import { z } from 'zod';

export const PictureFormat = z.enum(['png', 'jpeg', 'webp']);

/** Pixels. */
export const Size = z.object({ width: z.int(), height: z.int() });

/** Of a picture, in its pixels. */
const Area = z.object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() });

/** Who has the controls. */
export const Holder = z.object({
  kind: z.enum(['person', 'program']),
  name: z.string(),
  until: z
    .string()
    .nullable()
    .describe("When a program's hold ends unless it acts again; null for a person, who lets go"),
});

const Failed = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  holder: Holder.optional().describe('For CONTROL_TAKEN and CONTROL_LOST: who has the controls instead'),
});

export const WirePicture = z.object({
  format: PictureFormat,
  ...Size.shape,
  hash: z.string().describe("SHA-256 of the picture's bytes, in hex digits"),
  data: z.string().optional().describe('Base64; left out where the hash is the one of ifChanged'),
  takenAt: z.string().describe('ISO 8601'),
  sessionId: z.string(),
  screen: Size,
});
export type WirePicture = z.infer<typeof WirePicture>;

/** What a newer gateway tells of an action beyond this is passed on. */
export const ActionResult = z.looseObject({
  call: z.int().describe("Which of the actions, or of the model's calls, it belongs to"),
  type: z.string(),
  outcome: z.enum(['done', 'failed', 'skipped']),
  ms: z.number().optional(),
  error: Failed.optional(),
  position: z.object({ x: z.int(), y: z.int() }).optional(),
  settled: z
    .object({
      isQuiet: z.boolean().describe('False where it was not within timeoutMs'),
      ms: z.number().describe('How long it went on changing'),
      changed: z.array(Area).describe('What changed since the picture before'),
    })
    .optional(),
  picture: WirePicture.optional(),
});
export type ActionResult = z.infer<typeof ActionResult>;

export const ComputerAnswer = z.object({
  ok: z.boolean().describe('Whether all of it was done'),
  space: Size.describe('The size of the picture in whose pixels the places are'),
  error: Failed.extend({ call: z.int() }).optional(),
  results: z.array(ActionResult),
  outputs: z.array(z.unknown()).optional().describe('For a model, one a call: tool_result, computer_call_output'),
});
export type ComputerAnswer = z.infer<typeof ComputerAnswer>;
