// Everybody's sessions. neko's internal/api/sessions.
import { adminsOnly, ApiError, type ApiRoutes, readParameter } from './api.ts';
import type { Room } from './room.ts';

export function addSessionsRoutes(routes: ApiRoutes, room: Room): void {
  routes.add('GET', '/sessions', [], () => room.sessions.map((session) => session.data));

  routes.add('GET', '/sessions/:sessionId', [adminsOnly], ({ request }) => {
    const session = room.find(readParameter(request, 'sessionId'));
    if (session === undefined) throw new ApiError(404, 'session not found');
    return session.data;
  });

  routes.add('DELETE', '/sessions/:sessionId', [adminsOnly], ({ session: own, request }) => {
    const id = readParameter(request, 'sessionId');
    if (id === own.id) throw new ApiError(400, 'cannot delete own session');
    const session = room.find(id);
    if (session === undefined) throw new ApiError(400, 'session not found');
    room.delete(session);
  });

  routes.add('POST', '/sessions/:sessionId/disconnect', [adminsOnly], ({ request }) => {
    const session = room.find(readParameter(request, 'sessionId'));
    if (session === undefined) throw new ApiError(400, 'session not found');
    room.disconnect(session, 'session disconnected');
  });
}
