// What an action is made of. Pure: what can't be done is known before any of it is.
import type { z } from 'zod';
import type { InputEvent } from '../input/data-channel.ts';
import { keysymsOfKeys, needsShift, parseChord } from '../input/key-names.ts';
import { keysymOfCharacter, SHIFT_KEYSYMS } from '../input/keysyms.ts';
import { GatewayError } from '../errors.ts';
import { PIXELS_PER_NOTCH, type Action } from './actions.ts';
import type { PictureFormat } from '../protocol/computer.ts';
import { regionToScreen, scaleSize, toScreen, type Point, type Region, type Size } from './space.ts';

export interface PictureRequest {
  format: z.infer<typeof PictureFormat>;
  quality: number;
  /** The part of the screen; left out, all of it. */
  region: Region | undefined;
  /** The picture's own size. */
  size: Size;
  ifChanged: string | undefined;
  /** Whether an arrow shows where the pointer is. */
  hasCursor?: true;
}

/** A picture of the screen at rest: no more than `tolerance` of its pixels changed for `quietMs`. */
export interface SettleRequest {
  quietMs: number;
  timeoutMs: number;
  tolerance: number;
  request: PictureRequest;
}

export type Step =
  | { do: 'input'; events: InputEvent[] }
  | { do: 'wait'; ms: number }
  | { do: 'picture'; request: PictureRequest }
  | { do: 'settle'; request: SettleRequest }
  | { do: 'position' };

/** What the program sees, and the screen that this is a picture of. */
export interface View {
  space: Size;
  screen: Size;
  /** What a picture is where its action doesn't say. */
  format: z.infer<typeof PictureFormat>;
}

const BUTTONS = { left: 1, middle: 2, right: 3, back: 8, forward: 9 } as const;
const QUALITY_DEFAULT = 85;
/** Moves between two points of a drag: programs tell a drag from a click by the way in between. */
const DRAG_MOVES = 8;
/** neko lets go of a key that it hasn't heard of for 10 s. */
const HOLD_AGAIN_MS = 5000;

/** @throws GatewayError OUT_OF_RANGE | KEY_UNKNOWN | ACTION_INVALID */
export function planAction(action: Action, view: View): Step[] {
  switch (action.type) {
    case 'screenshot':
      return [{ do: 'picture', request: planScreenshot(action, view) }];
    case 'zoom':
      return [{ do: 'picture', request: planZoom(action, view) }];
    case 'settled': {
      const { quietMs, timeoutMs, tolerance } = action;
      const request = { quietMs, timeoutMs, tolerance, request: planScreenshot(action, view) };
      return [{ do: 'settle', request }];
    }
    case 'cursor_position':
      return [{ do: 'position' }];
    case 'wait':
      return [{ do: 'wait', ms: action.ms }];
    case 'move':
      return [input(holding(action.keys, [moveTo(action, view)]))];
    case 'click':
      return [input([...placeOf(action, view), ...holding(action.keys, clicks(action))])];
    case 'mouse_down':
    case 'mouse_up':
      return [input([...placeOf(action, view), press(action.button, action.type === 'mouse_down')])];
    case 'drag':
      return [input(planDrag(action, view))];
    case 'scroll':
      return [input([...placeOf(action, view), ...holding(action.keys, planScroll(action))])];
    case 'key':
      return [input(Array.from({ length: action.repeat }, () => holding(action.keys, [])).flat())];
    case 'key_down':
      return [input(keysymsOf(action.keys).map((keysym) => ({ type: 'key', down: true, keysym })))];
    case 'key_up':
      return [
        input(
          keysymsOf(action.keys)
            .toReversed()
            .map((keysym) => ({ type: 'key', down: false, keysym })),
        ),
      ];
    case 'hold_key':
      return planHold(action);
    case 'type':
      return [input(planType(action.text))];
    default:
      throw new Error(`unreachable: ${JSON.stringify(action satisfies never)}`);
  }
}

function planScreenshot(action: Extract<Action, { type: 'screenshot' | 'settled' }>, view: View): PictureRequest {
  const { region, scale = 1 } = action;
  return {
    ...lookOf(action, view),
    region: region && regionToScreen(region, view.space, view.screen),
    size: scaleSize(region ?? view.space, scale),
  };
}

/** In its own pixels, and no larger than a picture of all may be. */
function planZoom(action: Extract<Action, { type: 'zoom' }>, view: View): PictureRequest {
  const region = regionToScreen(action.region, view.space, view.screen);
  const scale = Math.min(1, view.space.width / region.width, view.space.height / region.height);
  return { ...lookOf(action, view), region, size: scaleSize(region, scale) };
}

function lookOf(
  { format, quality, ifChanged, cursor = false }: Extract<Action, { type: 'screenshot' | 'settled' | 'zoom' }>,
  view: View,
): Pick<PictureRequest, 'format' | 'quality' | 'ifChanged' | 'hasCursor'> {
  return {
    format: format ?? view.format,
    quality: quality ?? QUALITY_DEFAULT,
    ifChanged,
    ...(cursor && { hasCursor: true }),
  };
}

function planDrag({ path, button, keys }: Extract<Action, { type: 'drag' }>, view: View): InputEvent[] {
  const points = path.map((point) => toScreen(point, view.space, view.screen));
  const [start] = points;
  const isFromHere = points.length === 1;
  const way = isFromHere || start === undefined ? points : between(points);
  return [
    ...(isFromHere || start === undefined ? [] : [{ type: 'move' as const, ...start }]),
    ...holding(keys, [
      press(button, true),
      ...way.map((at) => ({ type: 'move' as const, ...at })),
      press(button, false),
    ]),
  ];
}

function between(points: readonly Point[]): Point[] {
  return points.slice(1).flatMap((end, index) => {
    const start = points[index] ?? end;
    return Array.from({ length: DRAG_MOVES }, (_, step) => ({
      x: start.x + Math.round(((end.x - start.x) * (step + 1)) / DRAG_MOVES),
      y: start.y + Math.round(((end.y - start.y) * (step + 1)) / DRAG_MOVES),
    }));
  });
}

/** neko's wheel turns the other way: positive is up and left. */
function planScroll({ dx, dy, unit }: Extract<Action, { type: 'scroll' }>): InputEvent[] {
  const notches = (amount: number): number => -(unit === 'notches' ? amount : awayFromZero(amount / PIXELS_PER_NOTCH));
  const events: InputEvent[] = [];
  if (dy !== 0) events.push({ type: 'scroll', deltaX: 0, deltaY: notches(dy), controlKey: false });
  if (dx !== 0) events.push({ type: 'scroll', deltaX: notches(dx), deltaY: 0, controlKey: false });
  return events;
}

function planHold({ keys, ms }: Extract<Action, { type: 'hold_key' }>): Step[] {
  const keysyms = keysymsOf(keys);
  const steps: Step[] = [];
  let left = ms;
  do {
    steps.push(input(keysyms.map((keysym) => ({ type: 'key', down: true, keysym }))));
    steps.push({ do: 'wait', ms: Math.min(left, HOLD_AGAIN_MS) });
    left -= HOLD_AGAIN_MS;
  } while (left > 0);
  return [...steps, input(keysyms.toReversed().map((keysym) => ({ type: 'key', down: false, keysym })))];
}

function planType(text: string): InputEvent[] {
  if (text.includes('\0') || !text.isWellFormed())
    throw new GatewayError('KEY_UNKNOWN', 'the text holds what no key types: a zero byte, or half of a character');
  // One line break, whatever it is made of.
  return Array.from(text.replaceAll('\r\n', '\n')).flatMap(typeCharacter);
}

function typeCharacter(character: string): InputEvent[] {
  const keysym = keysymOfCharacter(character);
  const [shift = 0] = SHIFT_KEYSYMS;
  return strokes(needsShift(character) ? [shift, keysym] : [keysym], []);
}

/** What is done while the keys are down. */
function holding(keys: string | string[] | undefined, events: InputEvent[]): InputEvent[] {
  return keys === undefined ? events : strokes(keysymsOf(keys), events);
}

function strokes(keysyms: readonly number[], inside: readonly InputEvent[]): InputEvent[] {
  return [
    ...keysyms.map((keysym): InputEvent => ({ type: 'key', down: true, keysym })),
    ...inside,
    ...keysyms.toReversed().map((keysym): InputEvent => ({ type: 'key', down: false, keysym })),
  ];
}

function keysymsOf(keys: string | string[]): number[] {
  return typeof keys === 'string' ? parseChord(keys) : keysymsOfKeys(keys);
}

function clicks({ button, count }: Extract<Action, { type: 'click' }>): InputEvent[] {
  return Array.from({ length: count }, () => [press(button, true), press(button, false)]).flat();
}

function press(button: keyof typeof BUTTONS, down: boolean): InputEvent {
  return { type: 'button', down, button: BUTTONS[button] };
}

/** Nothing where the pointer stays. */
function placeOf({ x, y }: { x?: number | undefined; y?: number | undefined }, view: View): InputEvent[] {
  if (x === undefined && y === undefined) return [];
  if (x === undefined || y === undefined)
    throw new GatewayError('ACTION_INVALID', 'a place has x and y, or neither for where the pointer is');
  return [moveTo({ x, y }, view)];
}

function moveTo({ x, y }: Point, { space, screen }: View): InputEvent {
  return { type: 'move', ...toScreen({ x, y }, space, screen) };
}

function input(events: InputEvent[]): Step {
  return { do: 'input', events };
}

function awayFromZero(value: number): number {
  return Math.sign(value) * Math.ceil(Math.abs(value) - Number.EPSILON);
}
