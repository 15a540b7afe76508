import type { Logger } from 'pino';
import type { InputEvent } from '../../input/data-channel.ts';
import type { FromClientHandlers } from '../../signaling/messages.ts';
import type { Desktop } from './desktop.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';
import type { Viewers } from './viewers.ts';

const CONTROL_L = 0xffe3;
const KEYSYM = { a: 0x61, c: 0x63, v: 0x76, x: 0x78 } as const;

export interface RoomParts {
  room: Room;
  desktop: Desktop;
  viewers: Viewers;
}

/** A client's message that it may not send, or that makes no sense now. It is logged and dropped, as neko does. */
export class Refused extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'Refused';
  }
}

/** What one session's messages do. A handler throws Refused, or rejects with whatever went wrong on the desktop. */
export function clientHandlers(
  { room, desktop, viewers }: RoomParts,
  session: Session,
  logger: Logger,
): FromClientHandlers {
  const { input } = desktop;

  /** Input over the socket takes the controls where nobody has them. */
  const takeControls = (): void => {
    if (!room.isHost(session)) requestControls(room, session);
  };
  const move = (x: number, y: number): void => {
    input.handle({ type: 'move', x: clampToU16(x), y: clampToU16(y) });
    viewers.tellPosition(clampToU16(x), clampToU16(y));
  };
  const moveIfGiven = (at: { x?: number | undefined; y?: number | undefined }): void => {
    takeControls();
    if (at.x !== undefined || at.y !== undefined) move(at.x ?? 0, at.y ?? 0);
  };
  const drive = (event: Exclude<InputEvent, { type: 'ping' }>): void => {
    takeControls();
    input.handle(event);
  };
  const setClipboard = async (text: string): Promise<void> => {
    if (!session.profile.can_access_clipboard) throw new Refused('cannot access clipboard');
    if (!room.isHost(session)) throw new Refused('is not the host');
    await desktop.clipboard.setText(text);
  };
  const shortcut = (keysym: number): void => {
    takeControls();
    input.pressKeys([CONTROL_L, keysym]);
  };
  /** Left to the next issue; said once a message, and nothing else happens. */
  const unsupported = ({ event }: { event: string }): void => logger.warn({ event }, 'not supported by this streamer');
  const ignored = (): void => undefined;

  return {
    'client/heartbeat': ignored,
    'system/logs': ({ payload }) => logger.debug({ entries: payload?.length ?? 0 }, 'client logs'),

    'signal/request': async ({ payload }) => {
      if (!session.profile.can_watch) throw new Refused('not allowed to watch');
      await viewers.open(session, payload);
    },
    'signal/restart': async () => {
      session.send('signal/restart', { sdp: await peerOf(session).restart() });
    },
    'signal/offer': unsupported,
    'signal/answer': ({ payload }) => peerOf(session).accept(payload.sdp),
    'signal/candidate': ({ payload }) => peerOf(session).addCandidate(payload.candidate),
    'signal/video': ({ payload }) => viewers.setVideo(session, payload),
    'signal/audio': ({ payload }) => {
      if (payload.disabled !== undefined) viewers.setAudio(session, payload.disabled);
    },

    'control/request': () => requestControls(room, session),
    'control/release': () => {
      if (!session.profile.can_host) throw new Refused('is not allowed to host');
      if (!room.isHost(session)) throw new Refused('is not the host');
      room.setHost(session, undefined);
    },
    'control/move': ({ payload }) => {
      takeControls();
      move(payload.x, payload.y);
    },
    'control/scroll': ({ payload }) => {
      const isOld = payload.delta_x === 0 && payload.delta_y === 0;
      drive({
        type: 'scroll',
        deltaX: isOld ? payload.x : payload.delta_x,
        deltaY: isOld ? payload.y : payload.delta_y,
        controlKey: payload.control_key,
      });
    },
    'control/buttonpress': ({ payload }) => {
      moveIfGiven(payload);
      input.pressButton(payload.code);
    },
    'control/buttondown': ({ payload }) => {
      moveIfGiven(payload);
      input.handle({ type: 'button', down: true, button: payload.code });
    },
    'control/buttonup': ({ payload }) => {
      moveIfGiven(payload);
      input.handle({ type: 'button', down: false, button: payload.code });
    },
    'control/keypress': ({ payload }) => {
      moveIfGiven(payload);
      input.pressKeys([payload.keysym]);
    },
    'control/keydown': ({ payload }) => {
      moveIfGiven(payload);
      input.handle({ type: 'key', down: true, keysym: payload.keysym });
    },
    'control/keyup': ({ payload }) => {
      moveIfGiven(payload);
      input.handle({ type: 'key', down: false, keysym: payload.keysym });
    },
    'control/touchbegin': takeControls,
    'control/touchupdate': takeControls,
    'control/touchend': takeControls,
    'control/cut': () => shortcut(KEYSYM.x),
    'control/copy': () => shortcut(KEYSYM.c),
    'control/paste': async ({ payload }) => {
      takeControls();
      if (payload.text !== '') await setClipboard(payload.text);
      shortcut(KEYSYM.v);
    },
    'control/select_all': () => shortcut(KEYSYM.a),

    'screen/set': async ({ payload }) => {
      if (!session.profile.is_admin) throw new Refused('is not the admin');
      const size = await desktop.screen.set(payload);
      room.broadcast('screen/updated', { ...size, id: session.id });
    },
    'clipboard/set': ({ payload }) => setClipboard(payload.text),

    'send/unicast': ({ payload }) => {
      const receiver = room.find(payload.receiver);
      if (receiver === undefined) throw new Refused('receiver session ID not found');
      receiver.send('send/unicast', {
        sender: session.id,
        receiver: receiver.id,
        subject: payload.subject,
        body: payload.body ?? null,
      });
    },
    'send/broadcast': ({ payload }) => {
      const message = { sender: session.id, subject: payload.subject, body: payload.body ?? null };
      room.broadcast('send/broadcast', message, session);
    },

    'keyboard/map': unsupported,
    'keyboard/modifiers': unsupported,
    'chat/message': unsupported,
    'filetransfer/update': unsupported,
    'openinapp/openlink': unsupported,
  };
}

/** Gives the session the controls where it may have them; else tells the host who asks. Throws Refused when it gets none. */
function requestControls(room: Room, session: Session): void {
  if (!session.profile.can_host) throw new Refused('is not allowed to host');
  if (room.isHost(session)) throw new Refused('is already the host');
  if (room.settings.locked_controls && !session.profile.is_admin) throw new Refused('is not allowed to host');
  const { host } = room;
  if (host !== undefined && !room.settings.implicit_hosting) {
    host.send('control/request', { id: session.id });
    throw new Refused('is already hosted');
  }
  room.setHost(session, session);
}

function peerOf(session: Session): NonNullable<Session['peer']> {
  if (session.peer === undefined) throw new Refused('webRTC peer does not exist');
  return session.peer;
}

function clampToU16(value: number): number {
  return Math.max(0, Math.min(0xffff, value));
}
