import type { Logger } from 'pino';
import type { FromClientHandlers } from '../../signaling/messages.ts';
import { controlHandlers } from './control-events.ts';
import type { Desktop } from './desktop.ts';
import { Refused } from './refused.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';
import type { Viewers } from './viewers.ts';

export interface RoomParts {
  room: Room;
  desktop: Desktop;
  viewers: Viewers;
}

/** What one session's messages do. A handler throws Refused, or rejects with whatever went wrong on the desktop. */
export function clientHandlers(
  { room, desktop, viewers }: RoomParts,
  session: Session,
  logger: Logger,
): FromClientHandlers {
  const pluginsOff = (): void => {
    throw new Refused('no plugin takes it');
  };
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
    'signal/offer': async ({ payload }) => {
      session.send('signal/answer', { sdp: await peerOf(session).answer(payload.sdp) });
    },
    'signal/answer': ({ payload }) => peerOf(session).accept(payload.sdp),
    'signal/candidate': ({ payload }) => peerOf(session).addCandidate(payload.candidate),
    'signal/video': ({ payload }) => viewers.setVideo(session, payload),
    'signal/audio': ({ payload }) => {
      if (payload.disabled !== undefined) viewers.setAudio(session, payload.disabled);
    },

    ...controlHandlers({ room, desktop, viewers }, session),

    'screen/set': async ({ payload }) => {
      if (!session.profile.is_admin) throw new Refused('is not the admin');
      const size = await desktop.screen.set(payload);
      room.broadcast('screen/updated', { ...size, id: session.id });
    },
    'clipboard/set': async ({ payload }) => {
      if (!session.profile.can_access_clipboard) throw new Refused('cannot access clipboard');
      if (!room.isHost(session)) throw new Refused('is not the host');
      await desktop.clipboard.setText(payload.text);
    },

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

    'keyboard/map': async ({ payload }) => {
      if (!room.isHost(session)) throw new Refused('is not the host');
      await desktop.layout.set(payload);
    },
    'keyboard/modifiers': async ({ payload }) => {
      if (!room.isHost(session)) throw new Refused('is not the host');
      await desktop.modifiers.set(payload);
    },
    'chat/message': pluginsOff,
    'filetransfer/update': pluginsOff,
    'openinapp/openlink': pluginsOff,
  };
}

function peerOf(session: Session): NonNullable<Session['peer']> {
  if (session.peer === undefined) throw new Refused('webRTC peer does not exist');
  return session.peer;
}
