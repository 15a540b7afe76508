// Who has the controls. neko's internal/api/room/control.go.
import { adminsOnly, ApiError, type ApiRoutes, canHostOnly, hostsOrAdminsOnly, readParameter } from './api.ts';
import type { Room } from './room.ts';

export function addControlRoutes(routes: ApiRoutes, room: Room): void {
  routes.add('GET', '/room/control', [canHostOnly], () => ({
    has_host: room.host !== undefined,
    ...(room.host === undefined ? {} : { host_id: room.host.id }),
  }));

  routes.add('POST', '/room/control/request', [canHostOnly], ({ session }) => {
    if (room.host !== undefined) {
      room.host.send('control/request', { id: session.id });
      throw new ApiError(202, 'control request sent');
    }
    if (room.settings.locked_controls && !session.profile.is_admin) throw new ApiError(403, 'controls are locked');
    room.setHost(session, session);
  });

  routes.add('POST', '/room/control/release', [canHostOnly], ({ session }) => {
    if (!room.isHost(session)) throw new ApiError(422, 'session is not the host');
    room.setHost(session, undefined);
  });

  routes.add('POST', '/room/control/take', [canHostOnly, adminsOnly], ({ session }) => room.setHost(session, session));

  routes.add('POST', '/room/control/give/:sessionId', [canHostOnly, hostsOrAdminsOnly], ({ session, request }) => {
    const target = room.find(readParameter(request, 'sessionId'));
    if (target === undefined) throw new ApiError(404, 'target session was not found');
    if (!target.profile.can_host) throw new ApiError(400, 'target session is not allowed to host');
    room.setHost(session, target);
  });

  routes.add('POST', '/room/control/reset', [canHostOnly, adminsOnly], ({ session }) => {
    if (room.host !== undefined) room.setHost(session, undefined);
  });
}
