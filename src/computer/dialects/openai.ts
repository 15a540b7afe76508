// OpenAI's computer use: `computer`, with batched actions, and `computer_use_preview`.
// Names and fields: platform.openai.com's computer use guide and the Responses API's computer_call.
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { Action } from '../actions.ts';
import type { ActionResult } from '../executor.ts';
import { readCall, type Dialect } from './dialect.ts';

/** What `wait` means, which carries no time. */
const WAIT_MS = 1000;

const x = z.int();
const y = z.int();
const Point = z.looseObject({ x, y });
const keys = z.array(z.string().max(64)).max(10).nullish();
const Button = z.enum(['left', 'right', 'wheel', 'back', 'forward']);

const CallAction = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('click'), button: Button.default('left'), x, y, keys }),
  z.looseObject({ type: z.literal('double_click'), x, y, keys }),
  z.looseObject({ type: z.literal('drag'), path: z.array(Point).min(2).max(256), keys }),
  z.looseObject({ type: z.literal('keypress'), keys: z.array(z.string().max(64)).min(1).max(10) }),
  z.looseObject({ type: z.literal('move'), x, y, keys }),
  z.looseObject({ type: z.literal('screenshot') }),
  z.looseObject({
    type: z.literal('scroll'),
    x,
    y,
    scroll_x: z.int().min(-10_000).max(10_000).default(0),
    scroll_y: z.int().min(-10_000).max(10_000).default(0),
    keys,
  }),
  z.looseObject({ type: z.literal('type'), text: z.string().max(20_000) }),
  z.looseObject({ type: z.literal('wait') }),
]);
type CallAction = z.infer<typeof CallAction>;

const SafetyCheck = z.looseObject({ id: z.string().max(256) });
const Call = z.looseObject({
  type: z.literal('computer_call'),
  call_id: z.string().max(256),
  action: z.unknown().optional(),
  actions: z.array(z.unknown()).max(100).nullish(),
  pending_safety_checks: z.array(SafetyCheck).max(32).nullish(),
  /** Ours: those of the pending ones that somebody has looked at. */
  acknowledged_safety_checks: z.array(SafetyCheck).max(32).nullish(),
});

export const OPENAI: Record<string, Dialect> = { computer: { read, write }, computer_use_preview: { read, write } };

/** Takes a `computer_call`, or one action alone. Every call ends with a picture, for its answer is one. */
function read(call: unknown): Action[] {
  const isAction = CallAction.safeParse(call).success;
  const items = isAction ? [call] : itemsOf(readCall(Call, call, 'a computer_call'));
  const actions = items.map((item) => actionOf(readCall(CallAction, item, 'an action of computer use')));
  return isAction || actions.at(-1)?.type === 'screenshot' ? actions : [...actions, { type: 'screenshot' }];
}

function itemsOf(call: z.infer<typeof Call>): unknown[] {
  const acknowledged = new Set((call.acknowledged_safety_checks ?? []).map(({ id }) => id));
  const pending = (call.pending_safety_checks ?? []).filter(({ id }) => !acknowledged.has(id));
  if (pending.length > 0)
    throw new GatewayError(
      'SAFETY_CHECK_PENDING',
      `safety checks wait for somebody's word: ${pending.map(({ id }) => id).join(', ')}; send them back as acknowledged_safety_checks`,
    );
  const batch = call.actions ?? [];
  const items = batch.length > 0 || call.action === undefined ? batch : [call.action];
  if (items.length === 0) throw new GatewayError('ACTION_INVALID', 'a computer_call has action or actions');
  return items;
}

function actionOf(action: CallAction): Action {
  switch (action.type) {
    case 'click': {
      const button = action.button === 'wheel' ? 'middle' : action.button;
      return { type: 'click', x: action.x, y: action.y, button, count: 1, keys: heldOf(action.keys) };
    }
    case 'double_click':
      return { type: 'click', x: action.x, y: action.y, button: 'left', count: 2, keys: heldOf(action.keys) };
    case 'drag': {
      const path = action.path.map((point) => ({ x: point.x, y: point.y }));
      return { type: 'drag', path, button: 'left', keys: heldOf(action.keys) };
    }
    case 'keypress':
      return { type: 'key', keys: action.keys.map(keyOf), repeat: 1 };
    case 'move':
      return { type: 'move', x: action.x, y: action.y, keys: heldOf(action.keys) };
    case 'screenshot':
      return { type: 'screenshot' };
    case 'scroll': {
      const { scroll_x: dx, scroll_y: dy } = action;
      return { type: 'scroll', x: action.x, y: action.y, dx, dy, unit: 'pixels', keys: heldOf(action.keys) };
    }
    case 'type':
      return { type: 'type', text: action.text };
    case 'wait':
      return { type: 'wait', ms: WAIT_MS };
    default:
      throw new Error(`unreachable: ${JSON.stringify(action satisfies never)}`);
  }
}

function heldOf(names: string[] | null | undefined): string[] | undefined {
  return names && names.length > 0 ? names.map(keyOf) : undefined;
}

/** Its keys come as they are printed on a keyboard, `["CTRL", "C"]`: a capital means no Shift. */
function keyOf(name: string): string {
  return /^[A-Z]$/.test(name) ? name.toLowerCase() : name;
}

/** A `computer_call_output`; nothing where there is no picture to show: then `results` say why. */
function write(call: unknown, results: readonly ActionResult[]): unknown {
  const parsed = Call.safeParse(call);
  const pictures = results.flatMap((result) => (result.outcome === 'done' && result.picture ? [result.picture] : []));
  const picture = pictures.at(-1);
  if (picture?.data === undefined || results.some(({ outcome }) => outcome !== 'done')) return null;
  return {
    type: 'computer_call_output',
    ...(parsed.success && {
      call_id: parsed.data.call_id,
      acknowledged_safety_checks: parsed.data.acknowledged_safety_checks ?? [],
    }),
    output: { type: 'computer_screenshot', image_url: `data:image/${picture.format};base64,${picture.data}` },
  };
}
