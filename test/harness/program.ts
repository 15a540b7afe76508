import { request } from 'undici';
import sharp from 'sharp';
import { z } from 'zod';
import { grant, type House } from './house.ts';
import type { Role } from '../../src/protocol/session.ts';

const Holder = z.object({ kind: z.enum(['person', 'program']), name: z.string(), until: z.string().nullable() });
const Failed = z.object({ code: z.string(), message: z.string(), retryable: z.boolean(), holder: Holder.optional() });
const Lease = z.object({ driver: Holder.nullable(), stand: z.string(), queue: z.array(z.string()) });
const Picture = z.object({
  format: z.string(),
  width: z.int(),
  height: z.int(),
  hash: z.string(),
  data: z.base64().optional(),
  takenAt: z.iso.datetime(),
  sessionId: z.string(),
  screen: z.object({ width: z.int(), height: z.int() }),
});
const Answer = z.object({
  ok: z.boolean(),
  space: z.object({ width: z.int(), height: z.int() }),
  error: Failed.extend({ call: z.int() }).optional(),
  results: z.array(
    z.object({
      call: z.int(),
      type: z.string(),
      outcome: z.enum(['done', 'failed', 'skipped']),
      error: Failed.optional(),
      position: z.object({ x: z.int(), y: z.int() }).optional(),
      picture: Picture.optional(),
      settled: z
        .object({
          isQuiet: z.boolean(),
          ms: z.number(),
          changed: z.array(z.object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() })),
        })
        .optional(),
    }),
  ),
  outputs: z.array(z.unknown()).optional(),
});
export type ProgramAnswer = z.infer<typeof Answer>;

const Problem = z.object({ code: z.string(), detail: z.string() });

/** A program with an access of its own, as the API has it. */
export interface Program {
  accessId: string;
  token: string;
  /** @throws when the call itself is refused, with the problem's code as the message */
  act(actions: unknown[], more?: object): Promise<ProgramAnswer>;
  /** Who drives; POST takes, DELETE lets go. @throws as `act` */
  lease(method?: 'GET' | 'POST' | 'DELETE', body?: object): Promise<z.infer<typeof Lease>>;
}

export async function openProgram(house: House, sessionId: string, role: Role): Promise<Program> {
  const { id: accessId, token } = await grant(house, sessionId, role);
  const call = async (method: 'GET' | 'POST' | 'DELETE', path: string, content?: object): Promise<unknown> => {
    const { statusCode, body } = await request(`${house.gateway.url}/api/v1/sessions/${sessionId}/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(content && { 'content-type': 'application/json' }) },
      ...(content && { body: JSON.stringify(content) }),
    });
    const reply: unknown = await body.json();
    if (statusCode === 200) return reply;
    throw new Error(Problem.parse(reply).code);
  };
  return {
    accessId,
    token,
    act: async (actions, more = {}) => Answer.parse(await call('POST', 'computer', { actions, ...more })),
    lease: async (method = 'GET', body) => Lease.parse(await call(method, 'lease', body)),
  };
}

/** How the actions ended, in short. */
export function outcomesOf({ results }: ProgramAnswer): string[] {
  return results.map(({ outcome, error }) => error?.code ?? outcome);
}

/** The picture in an answer, decoded. */
export async function pictureOf({ results }: ProgramAnswer): Promise<z.infer<typeof Picture> & { pixels: Buffer }> {
  const picture = results.find((result) => result.picture)?.picture;
  if (picture?.data === undefined) throw new Error('no picture in this answer');
  const image = sharp(Buffer.from(picture.data, 'base64')).removeAlpha().raw();
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  if (info.width !== picture.width || info.height !== picture.height)
    throw new Error(
      `a picture of ${info.width} by ${info.height} says that it is ${picture.width} by ${picture.height}`,
    );
  return { ...picture, pixels: data };
}

export type Colour = 'red' | 'green' | 'blue' | 'none';

export async function colourOf(answer: ProgramAnswer): Promise<Colour> {
  const { pixels, ...size } = await pictureOf(answer);
  return cornerColourOf(pixels, size);
}

/** The colour in the corner of RGB pixels, below and right of any text, as the strongest of red, green and blue. */
export function cornerColourOf(pixels: Buffer, { width, height }: { width: number; height: number }): Colour {
  const at = ((height - 20) * width + width - 20) * 3;
  const [red = 0, green = 0, blue = 0] = pixels.subarray(at, at + 3);
  const strongest = Math.max(red, green, blue);
  if (strongest < 100) return 'none';
  return strongest === red ? 'red' : strongest === green ? 'green' : 'blue';
}
