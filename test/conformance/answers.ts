import { z } from 'zod';

interface Answer {
  status: number;
  body: unknown;
}

/** neko's errors: the status, and it again in JSON with words for people. */
export function refused(code: number, message: string): Answer {
  return { status: code, body: { code, message } };
}

/** Done, with nothing to say: 204 without a body. */
export const DONE: Answer = { status: 204, body: Buffer.alloc(0) };

/** The JSON object of an answer. */
export function fields(body: unknown): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(body);
}

export async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  return fields(await response.json());
}
