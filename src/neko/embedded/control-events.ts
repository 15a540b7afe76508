// What a client does with the controls over its WebSocket: asks for them, lets go of them, and drives.
// neko's internal/websocket/handler/control.go.
import type { InputEvent, TouchPhase } from '../../input/data-channel.ts';
import type { FromClient, FromClientHandlers } from '../../signaling/messages.ts';
import type { RoomParts } from './client-events.ts';
import { Refused } from './refused.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';

const CONTROL_L = 0xffe3;
const KEYSYM = { a: 0x61, c: 0x63, v: 0x76, x: 0x78 } as const;

type ControlEvent = Extract<keyof FromClientHandlers, `control/${string}`>;
type TouchPayload = Extract<FromClient, { event: 'control/touchbegin' }>['payload'];
type Driven = Exclude<InputEvent, { type: 'ping' }>;
/** Either left out is 0; both left out is where the pointer is. */
interface Place {
  x?: number | undefined;
  y?: number | undefined;
}

/** Each resolves once the desktop has done it, so that what a client sends next finds it done; throws Refused. */
export function controlHandlers(
  { room, desktop, viewers }: RoomParts,
  session: Session,
): Pick<FromClientHandlers, ControlEvent> {
  const { input } = desktop;

  const move = (x: number, y: number): void => {
    input.handle({ type: 'move', x: clampToU16(x), y: clampToU16(y) });
    viewers.tellPosition(clampToU16(x), clampToU16(y));
  };
  /** Takes the controls where nobody has them, and does it. */
  const drive = (act: () => void, at: Place = {}): Promise<void> => {
    if (!room.isHost(session)) requestControls(room, session);
    if (at.x !== undefined || at.y !== undefined) move(at.x ?? 0, at.y ?? 0);
    act();
    return input.settled();
  };
  const feed = (event: Driven, at?: Place): Promise<void> => drive(() => input.handle(event), at);
  const touch = (phase: TouchPhase, { touch_id: touchId, x, y, pressure }: TouchPayload): Promise<void> =>
    feed({ type: 'touch', phase, touchId, x, y, pressure });
  const shortcut = (keysym: number): Promise<void> => drive(() => input.pressKeys([CONTROL_L, keysym]));

  return {
    'control/request': () => requestControls(room, session),
    'control/release': () => {
      if (!session.profile.can_host || room.isShutOut(session)) throw new Refused('is not allowed to host');
      if (!room.isHost(session)) throw new Refused('is not the host');
      room.setHost(session, undefined);
    },
    'control/move': ({ payload }) => drive(() => move(payload.x, payload.y)),
    'control/scroll': ({ payload }) => {
      const isOld = payload.delta_x === 0 && payload.delta_y === 0;
      return feed({
        type: 'scroll',
        deltaX: isOld ? payload.x : payload.delta_x,
        deltaY: isOld ? payload.y : payload.delta_y,
        controlKey: payload.control_key,
      });
    },
    'control/buttonpress': ({ payload }) => drive(() => input.pressButton(payload.code), payload),
    'control/buttondown': ({ payload }) => feed({ type: 'button', down: true, button: payload.code }, payload),
    'control/buttonup': ({ payload }) => feed({ type: 'button', down: false, button: payload.code }, payload),
    'control/keypress': ({ payload }) => drive(() => input.pressKeys([payload.keysym]), payload),
    'control/keydown': ({ payload }) => feed({ type: 'key', down: true, keysym: payload.keysym }, payload),
    'control/keyup': ({ payload }) => feed({ type: 'key', down: false, keysym: payload.keysym }, payload),
    'control/touchbegin': ({ payload }) => touch('begin', payload),
    'control/touchupdate': ({ payload }) => touch('update', payload),
    'control/touchend': ({ payload }) => touch('end', payload),
    'control/cut': () => shortcut(KEYSYM.x),
    'control/copy': () => shortcut(KEYSYM.c),
    'control/paste': async ({ payload }) => {
      if (!room.isHost(session)) requestControls(room, session);
      if (payload.text !== '') {
        if (!session.profile.can_access_clipboard) throw new Refused('cannot access clipboard');
        await desktop.clipboard.setText(payload.text);
      }
      await shortcut(KEYSYM.v);
    },
    'control/select_all': () => shortcut(KEYSYM.a),
  };
}

/** Gives the session the controls where it may have them; else tells the host who asks. Throws Refused when it gets none. */
function requestControls(room: Room, session: Session): void {
  if (!session.profile.can_host || room.isShutOut(session)) throw new Refused('is not allowed to host');
  if (room.isHost(session)) throw new Refused('is already the host');
  if (room.settings.locked_controls && !session.profile.is_admin) throw new Refused('is not allowed to host');
  const { host } = room;
  if (host !== undefined && !room.settings.implicit_hosting) {
    host.send('control/request', { id: session.id });
    throw new Refused('is already hosted');
  }
  room.setHost(session, session);
}

function clampToU16(value: number): number {
  return Math.max(0, Math.min(0xffff, value));
}
