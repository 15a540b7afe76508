// The room's settings. neko's internal/api/room/settings.go.
import { adminsOnly, ApiError, type ApiRoutes, readJson } from './api.ts';
import type { Room } from './room.ts';
import { SettingsChange } from './room-settings.ts';

export function addSettingsRoutes(routes: ApiRoutes, room: Room): void {
  routes.add('GET', '/room/settings', [adminsOnly], () => room.settings);

  routes.add('POST', '/room/settings', [adminsOnly], ({ session, request }) => {
    const change = SettingsChange.safeParse(readJson(request));
    if (!change.success) throw new ApiError(400, 'unable to parse provided data', { cause: change.error });
    room.changeSettings(session, change.data);
  });
}
