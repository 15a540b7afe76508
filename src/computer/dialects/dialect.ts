import type { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { Action } from '../actions.ts';
import type { ActionResult } from '../executor.ts';
import type { PictureLimits } from '../space.ts';

/** How one maker's models speak of a desktop. Pure. */
export interface Dialect {
  /** How large a picture its models take as it is; left out, any. */
  limits?: PictureLimits;
  /** What one call of a model asks for. @throws GatewayError ACTION_INVALID | SAFETY_CHECK_PENDING */
  read(call: unknown): Action[];
  /** What the model is told of a call: given the call and what became of its actions. */
  write(call: unknown, results: readonly ActionResult[]): unknown;
}

/** @throws GatewayError ACTION_INVALID, without the values, which may be somebody's text */
export function readCall<Schema extends z.ZodType>(schema: Schema, call: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(call);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new GatewayError('ACTION_INVALID', `not ${what}: ${issue?.path.join('.') || 'call'}: ${issue?.message}`);
}
