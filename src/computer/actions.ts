// What a program can do at a desktop, in our own words; every dialect is turned into these.
import { z } from 'zod';
import { PictureFormat } from '../protocol/computer.ts';

// Beyond one of these limits an action is refused as ACTION_INVALID.
export const ACTIONS_MAX = 100;
const TEXT_MAX_LENGTH = 20_000;
const WAIT_MAX_MS = 100_000;
const QUIET_MAX_MS = 10_000;
const REPEAT_MAX = 100;
const PATH_MAX_POINTS = 256;
const NOTCHES_MAX = 100;
/** About what a browser reports for a notch of a wheel; scrolling by pixels is rounded to notches, for X has no less. */
export const PIXELS_PER_NOTCH = 100;

/** Coordinates are pixels of the picture that the program sees; see space.ts. */
const x = z.int();
const y = z.int();
const Point = z.strictObject({ x, y });
export const Region = z.strictObject({ x, y, width: z.int().min(1), height: z.int().min(1) });
/** A chord as one word, `ctrl+s`, or its keys as a list. */
const Keys = z.union([z.string().max(256), z.array(z.string().max(64)).min(1).max(10)]);
const Button = z.enum(['left', 'middle', 'right', 'back', 'forward']);

const place = { x: x.optional(), y: y.optional() };
const button = Button.default('left');
/** Held while the pointer does it. */
const keys = Keys.optional();

const scale = z.number().min(0.05).max(1).optional();
/** The part of the pixels that may change unnoticed: by default a caret that blinks. */
const TOLERANCE_DEFAULT = 0.001;
export const Tolerance = z.number().min(0).max(1).default(TOLERANCE_DEFAULT);
const picture = {
  format: PictureFormat.optional(),
  /** 1 to 100; of no meaning for png. */
  quality: z.int().min(1).max(100).optional(),
  /** Whether an arrow shows where the pointer is. */
  cursor: z.boolean().optional(),
  /** The hash of the picture that the program has: an equal one comes without its bytes. */
  ifChanged: z.string().max(128).optional(),
};

export const Action = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('screenshot'),
    ...picture,
    region: Region.optional(),
    scale,
  }),
  /** A part of the screen in all its pixels. */
  z.strictObject({ type: z.literal('zoom'), ...picture, region: Region }),
  /** A picture once the screen has been at rest for so long. */
  z.strictObject({
    type: z.literal('settled'),
    ...picture,
    region: Region.optional(),
    scale,
    quietMs: z.int().min(1).max(QUIET_MAX_MS).default(500),
    timeoutMs: z.int().min(1).max(WAIT_MAX_MS).default(10_000),
    tolerance: Tolerance,
  }),
  z.strictObject({ type: z.literal('cursor_position') }),
  z.strictObject({ type: z.literal('wait'), ms: z.int().min(0).max(WAIT_MAX_MS) }),
  z.strictObject({ type: z.literal('move'), x, y, keys }),
  z.strictObject({ type: z.literal('click'), ...place, button, count: z.int().min(1).max(3).default(1), keys }),
  z.strictObject({ type: z.literal('mouse_down'), ...place, button }),
  z.strictObject({ type: z.literal('mouse_up'), ...place, button }),
  /** Along the path; with one point, from where the pointer is. */
  z.strictObject({ type: z.literal('drag'), path: z.array(Point).min(1).max(PATH_MAX_POINTS), button, keys }),
  /** Positive is down and right. */
  z
    .strictObject({
      type: z.literal('scroll'),
      ...place,
      dx: z
        .int()
        .min(-NOTCHES_MAX * PIXELS_PER_NOTCH)
        .max(NOTCHES_MAX * PIXELS_PER_NOTCH)
        .default(0),
      dy: z
        .int()
        .min(-NOTCHES_MAX * PIXELS_PER_NOTCH)
        .max(NOTCHES_MAX * PIXELS_PER_NOTCH)
        .default(0),
      unit: z.enum(['notches', 'pixels']).default('notches'),
      keys,
    })
    // The streamer cuts what is more in one turn.
    .refine(({ dx, dy, unit }) => unit === 'pixels' || Math.max(Math.abs(dx), Math.abs(dy)) <= NOTCHES_MAX, {
      error: `at most ${NOTCHES_MAX} notches; more in several, or in pixels of which a notch has ${PIXELS_PER_NOTCH}`,
    }),
  z.strictObject({ type: z.literal('key'), keys: Keys, repeat: z.int().min(1).max(REPEAT_MAX).default(1) }),
  /** Down until `key_up`; the streamer lets go of a key that it has not heard of for 10 s. */
  z.strictObject({ type: z.literal('key_down'), keys: Keys }),
  z.strictObject({ type: z.literal('key_up'), keys: Keys }),
  z.strictObject({ type: z.literal('hold_key'), keys: Keys, ms: z.int().min(0).max(WAIT_MAX_MS) }),
  z.strictObject({ type: z.literal('type'), text: z.string().max(TEXT_MAX_LENGTH) }),
]);
export type Action = z.infer<typeof Action>;
export type ActionType = Action['type'];

/** What who may only watch may ask for. */
export const WATCHING: readonly ActionType[] = ['screenshot', 'zoom', 'settled', 'cursor_position', 'wait'];
