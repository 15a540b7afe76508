import { z } from 'zod';
import { Action } from '../actions.ts';
import { ANTHROPIC } from './anthropic.ts';
import { readCall, type Dialect } from './dialect.ts';
import { OPENAI } from './openai.ts';

/** Our own actions, one a call. */
const NEKOGATE: Dialect = {
  read: (call) => [readCall(Action, call, 'an action')],
  write: () => null,
};

export const DialectName = z.enum([
  'nekogate',
  'computer_20241022',
  'computer_20250124',
  'computer_20251124',
  'computer_toolset_20260801',
  'computer',
  'computer_use_preview',
]);
export type DialectName = z.infer<typeof DialectName>;

export function dialectOf(name: DialectName): Dialect {
  return { ...ANTHROPIC, ...OPENAI }[name] ?? NEKOGATE;
}
