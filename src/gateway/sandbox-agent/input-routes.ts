// Mouse and keyboard. What sandbox-agent leaves to xdotool is done as `POST …/computer` does it.
import { z } from 'zod';
import type { Action } from '../../computer/actions.ts';
import type { Found } from '../../computer/executor.ts';
import { GatewayError } from '../../errors.ts';
import type { App } from '../app.ts';
import { callingOf, type Calling, type Desks, type Names } from './desk.ts';

const TEXT_MAX_LENGTH = 20_000;
/** All pauses of one text together; more is refused. */
const TYPING_MAX_MS = 60_000;
const CLICKS_MAX = 3;
const NOTCHES_MAX = 100;
const KEY_MAX_LENGTH = 256;

const NAMES: Names = { behind: 'desktop_input_failed' };
const WHERE: Action = { type: 'cursor_position' };

const at = { x: z.int(), y: z.int() };
const perhapsAt = { x: z.int().nullish(), y: z.int().nullish() };
const button = z.enum(['left', 'middle', 'right']).nullish();
const key = z.string().min(1).max(KEY_MAX_LENGTH);
const notches = z.int().min(-NOTCHES_MAX).max(NOTCHES_MAX).nullish();
const isHeld = z.boolean().nullish();

const Press = z.strictObject({ ...perhapsAt, button });
const Modifiers = z.strictObject({ ctrl: isHeld, shift: isHeld, alt: isHeld, cmd: isHeld });

/** Where the pointer is; there is one X screen, and which window is below it is not looked up. */
const Position = z.object({ x: z.int(), y: z.int(), screen: z.literal(0) });
const Done = z.object({ ok: z.literal(true) });

export function addInputRoutes(app: App, desks: Desks): void {
  const config = { allow: 'member' } as const;
  const mouse = { hide: true, response: { 200: Position } };
  const keyboard = { hide: true, response: { 200: Done } };

  /** And where the pointer is then; asked before where it stays, for who can't be told that should not have acted. */
  const point = async (
    calling: Calling,
    action: Action,
    { isStaying = false } = {},
  ): Promise<z.input<typeof Position>> =>
    positionIn(await desks.act(calling, NAMES, isStaying ? [WHERE, action] : [action, WHERE]));
  const type = async (calling: Calling, actions: Action[]): Promise<z.input<typeof Done>> => {
    await desks.act(calling, NAMES, actions);
    return { ok: true };
  };

  app.get('/desktop/mouse/position', { config, schema: mouse }, async (request, reply) =>
    positionIn(await desks.look(callingOf(request, reply), NAMES, [WHERE])),
  );
  app.post('/desktop/mouse/move', { config, schema: { ...mouse, body: z.strictObject(at) } }, async (request, reply) =>
    point(callingOf(request, reply), { type: 'move', ...request.body, keys: undefined }),
  );
  app.post(
    '/desktop/mouse/click',
    {
      config,
      schema: {
        ...mouse,
        body: z.strictObject({ ...at, button, clickCount: z.int().min(1).max(CLICKS_MAX).nullish() }),
      },
    },
    async (request, reply) => {
      const { x, y, button: which, clickCount } = request.body;
      const count = clickCount ?? 1;
      return await point(callingOf(request, reply), {
        type: 'click',
        x,
        y,
        button: which ?? 'left',
        count,
        keys: undefined,
      });
    },
  );
  for (const [path, action] of [
    ['/desktop/mouse/down', 'mouse_down'],
    ['/desktop/mouse/up', 'mouse_up'],
  ] as const)
    app.post(path, { config, schema: { ...mouse, body: Press } }, async (request, reply) => {
      const { x, y, button: which } = request.body;
      return await point(
        callingOf(request, reply),
        { type: action, x: x ?? undefined, y: y ?? undefined, button: which ?? 'left' },
        { isStaying: typeof x !== 'number' },
      );
    });
  app.post(
    '/desktop/mouse/drag',
    {
      config,
      schema: {
        ...mouse,
        body: z.strictObject({ startX: z.int(), startY: z.int(), endX: z.int(), endY: z.int(), button }),
      },
    },
    async (request, reply) => {
      const { startX, startY, endX, endY, button: which } = request.body;
      const path = [
        { x: startX, y: startY },
        { x: endX, y: endY },
      ];
      return await point(callingOf(request, reply), { type: 'drag', path, button: which ?? 'left', keys: undefined });
    },
  );
  app.post(
    '/desktop/mouse/scroll',
    { config, schema: { ...mouse, body: z.strictObject({ ...at, deltaX: notches, deltaY: notches }) } },
    async (request, reply) => {
      const { x, y, deltaX, deltaY } = request.body;
      const [dx, dy] = [deltaX ?? 0, deltaY ?? 0];
      return await point(callingOf(request, reply), { type: 'scroll', x, y, dx, dy, unit: 'notches', keys: undefined });
    },
  );

  app.post(
    '/desktop/keyboard/type',
    {
      config,
      schema: {
        ...keyboard,
        body: z.strictObject({ text: z.string().max(TEXT_MAX_LENGTH), delayMs: z.int().min(0).nullish() }),
      },
    },
    async (request, reply) => type(callingOf(request, reply), typing(request.body)),
  );
  app.post(
    '/desktop/keyboard/press',
    { config, schema: { ...keyboard, body: z.strictObject({ key, modifiers: Modifiers.nullish() }) } },
    async (request, reply) =>
      type(callingOf(request, reply), [{ type: 'key', keys: chordOf(request.body), repeat: 1 }]),
  );
  for (const [path, action] of [
    ['/desktop/keyboard/down', 'key_down'],
    ['/desktop/keyboard/up', 'key_up'],
  ] as const)
    app.post(path, { config, schema: { ...keyboard, body: z.strictObject({ key }) } }, async (request, reply) =>
      type(callingOf(request, reply), [{ type: action, keys: request.body.key }]),
    );
}

function positionIn({ position }: Found): z.input<typeof Position> {
  if (!position) throw new GatewayError('INTERNAL', 'the desktop did not say where the pointer is');
  return { ...position, screen: 0 };
}

/** At once, or with the pauses that are asked for. @throws GatewayError ACTION_INVALID */
function typing({ text, delayMs }: { text: string; delayMs?: number | null | undefined }): Action[] {
  if (!delayMs) return [{ type: 'type', text }];
  const characters = Array.from(text.replaceAll('\r\n', '\n'));
  if (characters.length * delayMs > TYPING_MAX_MS)
    throw new GatewayError(
      'ACTION_INVALID',
      `${characters.length} characters with ${delayMs} ms after each take more than ${TYPING_MAX_MS} ms; leave delayMs out, or send less`,
    );
  return characters.flatMap((character): Action[] => [
    { type: 'type', text: character },
    { type: 'wait', ms: delayMs },
  ]);
}

/** The modifiers and the key, which may be a chord itself, as one. */
function chordOf({
  key: name,
  modifiers,
}: {
  key: string;
  modifiers?: z.infer<typeof Modifiers> | null | undefined;
}): string {
  const held = (['ctrl', 'shift', 'alt', 'cmd'] as const).filter((modifier) => modifiers?.[modifier] === true);
  return [...held, name].join('+');
}
