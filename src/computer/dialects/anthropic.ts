// Anthropic's computer use: the single tools of 20241022, 20250124 and 20251124, and the toolset of 20260801.
// Names and fields: platform.claude.com's computer use tool, and anthropic-quickstarts' computer-use-demo for what it leaves open.
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { Action } from '../actions.ts';
import type { ActionResult } from '../executor.ts';
import type { PictureLimits } from '../space.ts';
import { readCall, type Dialect } from './dialect.ts';

/** Larger pictures are made smaller by the API before a model sees them, and its coordinates are then of those. */
const LIMITS: PictureLimits = { longEdge: 1568, pixels: 1_150_000 };

const ACTIONS_20241022 = [
  'key',
  'type',
  'mouse_move',
  'left_click',
  'left_click_drag',
  'right_click',
  'middle_click',
  'double_click',
  'screenshot',
  'cursor_position',
] as const;
const ACTIONS_20250124 = [
  ...ACTIONS_20241022,
  'left_mouse_down',
  'left_mouse_up',
  'scroll',
  'hold_key',
  'wait',
  'triple_click',
] as const;
const ACTIONS_20251124 = [...ACTIONS_20250124, 'zoom'] as const;
type Name = (typeof ACTIONS_20251124)[number];

/** x and y. */
const Coordinate = z.tuple([z.int(), z.int()]);
const Input = z.looseObject({
  coordinate: Coordinate.nullish(),
  start_coordinate: Coordinate.nullish(),
  /** What to type or press; for the pointer's actions the keys that are held. */
  text: z.string().max(20_000).nullish(),
  key: z.string().max(256).nullish(),
  repeat: z.int().min(1).max(100).nullish(),
  scroll_direction: z.enum(['up', 'down', 'left', 'right']).nullish(),
  scroll_amount: z.int().min(0).max(100).nullish(),
  /** Seconds. */
  duration: z.number().min(0).max(100).nullish(),
  /** x0, y0, x1, y1. */
  region: z.tuple([z.int(), z.int(), z.int(), z.int()]).nullish(),
});
type Input = z.infer<typeof Input>;

const TOOLSET = 'computer';
const Block = z.looseObject({
  type: z.literal('tool_use').optional(),
  id: z.string().max(256).optional(),
  name: z.string().max(64),
  toolset_name: z.string().max(64).optional(),
  input: z.looseObject({}),
});
const NamedInput = z.looseObject({ action: z.string().max(64) });

export const ANTHROPIC: Record<string, Dialect> = {
  computer_20241022: singleTool(ACTIONS_20241022),
  computer_20250124: singleTool(ACTIONS_20250124),
  computer_20251124: singleTool(ACTIONS_20251124),
  computer_toolset_20260801: {
    limits: LIMITS,
    read: (call) => {
      const { name, input, toolset_name: toolset } = readCall(Block, call, 'a tool_use of the computer toolset');
      // The browser's toolset has members of the same names.
      if (toolset !== undefined && toolset !== TOOLSET)
        throw new GatewayError(
          'ACTION_INVALID',
          `the call is for the toolset ${JSON.stringify(toolset)}, not ${TOOLSET}`,
        );
      return actionsOf(nameAmong(ACTIONS_20251124, name), input);
    },
    write,
  },
};

/** Takes a `tool_use` block, or its `input` alone. */
function singleTool(names: readonly Name[]): Dialect {
  return {
    limits: LIMITS,
    read: (call) => {
      const block = Block.safeParse(call);
      const input = readCall(NamedInput, block.success ? block.data.input : call, 'a call of the computer tool');
      return actionsOf(nameAmong(names, input.action), input);
    },
    write,
  };
}

function nameAmong(names: readonly Name[], name: string): Name {
  const found = names.find((one) => one === name);
  if (found !== undefined) return found;
  throw new GatewayError(
    'ACTION_INVALID',
    `unknown action ${JSON.stringify(name.slice(0, 64))}; there are ${names.join(', ')}`,
  );
}

function actionsOf(name: Name, fields: unknown): Action[] {
  const input = readCall(Input, fields, `the input of ${name}`);
  // Models leave what they don't need empty, too.
  const held = [input.text, input.key].find((keys) => typeof keys === 'string' && keys !== '') ?? undefined;
  switch (name) {
    case 'screenshot':
      return [{ type: 'screenshot' }];
    case 'zoom':
      return [{ type: 'zoom', region: regionOf(need(input.region, name, 'region')) }];
    case 'cursor_position':
      return [{ type: 'cursor_position' }];
    case 'wait':
      return [{ type: 'wait', ms: Math.round(need(input.duration, name, 'duration') * 1000) }];
    case 'mouse_move':
      return [{ type: 'move', ...pointOf(need(input.coordinate, name, 'coordinate')) }];
    case 'left_click':
    case 'right_click':
    case 'middle_click':
      return [click(input, held, { button: BUTTONS[name], count: 1 })];
    case 'double_click':
      return [click(input, held, { button: 'left', count: 2 })];
    case 'triple_click':
      return [click(input, held, { button: 'left', count: 3 })];
    case 'left_mouse_down':
      return [{ type: 'mouse_down', button: 'left', ...placeOf(input) }];
    case 'left_mouse_up':
      return [{ type: 'mouse_up', button: 'left', ...placeOf(input) }];
    case 'left_click_drag':
      return [drag(input, held)];
    case 'scroll':
      return [scroll(input, held)];
    case 'key':
      return keysOf(need(input.text ?? input.key, name, 'text'), input.repeat ?? 1);
    case 'hold_key':
      return [
        {
          type: 'hold_key',
          keys: need(input.text ?? input.key, name, 'text'),
          ms: Math.round(need(input.duration, name, 'duration') * 1000),
        },
      ];
    case 'type':
      return [{ type: 'type', text: need(input.text, name, 'text') }];
    default:
      throw new Error(`unreachable: ${String(name satisfies never)}`);
  }
}

const BUTTONS = { left_click: 'left', right_click: 'right', middle_click: 'middle' } as const;

function click(
  input: Input,
  keys: string | undefined,
  how: { button: 'left' | 'middle' | 'right'; count: number },
): Action {
  return { type: 'click', ...how, ...placeOf(input), keys };
}

/** From where the pointer is, or from the start that is named. */
function drag(input: Input, keys: string | undefined): Action {
  const end = pointOf(need(input.coordinate, 'left_click_drag', 'coordinate'));
  const path = input.start_coordinate ? [pointOf(input.start_coordinate), end] : [end];
  return { type: 'drag', path, button: 'left', keys };
}

function scroll(input: Input, keys: string | undefined): Action {
  const direction = need(input.scroll_direction, 'scroll', 'scroll_direction');
  const amount = need(input.scroll_amount, 'scroll', 'scroll_amount');
  const dx = direction === 'left' ? -amount : direction === 'right' ? amount : 0;
  const dy = direction === 'up' ? -amount : direction === 'down' ? amount : 0;
  return { type: 'scroll', ...placeOf(input), dx, dy, unit: 'notches', keys };
}

/** Chords one after another, as xdotool takes them: `Down Down Return`. */
function keysOf(text: string, repeat: number): Action[] {
  const chords = text.trim() === '' ? [text] : text.trim().split(/\s+/);
  const [only = text] = chords;
  if (chords.length === 1) return [{ type: 'key', keys: only, repeat }];
  return Array.from({ length: repeat }, () => chords)
    .flat()
    .map((keys) => ({ type: 'key', keys, repeat: 1 }));
}

function placeOf({ coordinate }: Input): { x?: number; y?: number } {
  return coordinate ? pointOf(coordinate) : {};
}

function pointOf([x, y]: [number, number]): { x: number; y: number } {
  return { x, y };
}

function regionOf([x0, y0, x1, y1]: [number, number, number, number]) {
  if (x1 <= x0 || y1 <= y0)
    throw new GatewayError('ACTION_INVALID', 'region is x0, y0, x1, y1, the second point beyond the first');
  return { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
}

function need<T>(value: T | null | undefined, action: string, field: string): T {
  if (value !== null && value !== undefined) return value;
  throw new GatewayError('ACTION_INVALID', `${action} needs ${field}`);
}

/** A `tool_result`; one for a call that did not run says so, since every call is to be answered. */
function write(call: unknown, results: readonly ActionResult[]): unknown {
  const block = Block.safeParse(call);
  const failed = results.find((result) => result.outcome !== 'done');
  return {
    type: 'tool_result',
    ...(block.success && { tool_use_id: block.data.id, toolset_name: block.data.toolset_name }),
    content: results.flatMap(contentOf),
    ...(failed && { is_error: true }),
  };
}

function contentOf(result: ActionResult): unknown[] {
  const text = (words: string): unknown => ({ type: 'text', text: words });
  if (result.outcome === 'skipped') return [text('not run: an action before it failed')];
  if (result.outcome === 'failed') return [text(`${result.error.code}: ${result.error.message}`)];
  const { picture, position } = result;
  if (picture?.data !== undefined) {
    const source = { type: 'base64', media_type: `image/${picture.format}`, data: picture.data };
    return [{ type: 'image', source }];
  }
  if (position) return [text(`X=${position.x},Y=${position.y}`)];
  return [text('done')];
}
