// What neko has and this streamer hasn't, answered as neko answers where it is switched off.
// neko's internal/api/room/broadcast.go and upload.go.
import { z } from 'zod';
import { adminsOnly, ApiError, type ApiRoutes, type Guard, readBody } from './api.ts';

const TEXT_MAX_LENGTH = 4096;
const Start = z.looseObject({ url: z.string().max(TEXT_MAX_LENGTH).default('') });

const uploadersOnly: Guard = (session, room) => {
  const mayTakeOver = session.profile.can_host && room.settings.implicit_hosting;
  if (!room.isHost(session) && !mayTakeOver) {
    throw new ApiError(403, 'without implicit hosting, only host can upload files');
  }
};

export function addAbsentRoutes(routes: ApiRoutes): void {
  routes.add('GET', '/room/broadcast', [adminsOnly], () => ({ is_active: false }));
  routes.add('POST', '/room/broadcast/start', [adminsOnly], ({ request }) => {
    if (readBody(request, Start).url === '') throw new ApiError(400, 'missing broadcast URL');
    throw new ApiError(500, 'Internal Server Error');
  });
  routes.add('POST', '/room/broadcast/stop', [adminsOnly], () => {
    throw new ApiError(422, 'server is not broadcasting');
  });

  routes.add('POST', '/room/upload/drop', [uploadersOnly], () => {
    throw new ApiError(400, 'upload drop is disabled');
  });
  for (const method of ['POST', 'DELETE'] as const) {
    routes.add(method, '/room/upload/dialog', [uploadersOnly], () => {
      throw new ApiError(400, 'file chooser dialog is disabled');
    });
  }
}
