// Logging in and out, and one's own profile. neko's internal/api/session.go.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { ID_MAX_LENGTH, MemberProfile } from '../../signaling/messages.ts';
import { ApiError, type ApiRoutes, readBody } from './api.ts';
import { authenticate, type MemberProvider } from './members.ts';
import type { Room } from './room.ts';

// Room for the random suffix in the id.
const USERNAME_MAX_LENGTH = ID_MAX_LENGTH - 16;
const PASSWORD_MAX_LENGTH = 4096;

const Login = z.looseObject({
  username: z.string().max(USERNAME_MAX_LENGTH).default(''),
  password: z.string().max(PASSWORD_MAX_LENGTH).default(''),
});

/** What an administrator may change of his own profile: fields left out keep their values. */
const ProfileChange = MemberProfile.partial();

export function addLoginRoute(app: FastifyInstance, room: Room, provider: MemberProvider): void {
  app.post('/api/login', async (request, reply) => {
    const login = authenticate(provider, readBody(request, Login));
    if (login === undefined) throw new ApiError(401, 'Unauthorized');
    if (room.settings.locked_logins && !login.profile.is_admin) throw new ApiError(403, 'logins are locked');
    if (room.isFull) throw new ApiError(500, 'too many sessions');
    const session = room.create(login);
    await reply.send({ id: session.id, token: session.token, profile: session.profile, state: session.state });
  });
}

export function addSessionRoutes(routes: ApiRoutes, room: Room): void {
  routes.add('POST', '/logout', [], ({ session }) => {
    if (room.find(session.id) === undefined) throw new ApiError(400, 'session is not logged in');
    room.delete(session);
    return true;
  });

  routes.add('GET', '/whoami', [], ({ session }) => session.data);

  routes.add('POST', '/profile', [], ({ session, request }) => {
    const change = readBody(request, ProfileChange);
    if (room.find(session.id) === undefined) throw new ApiError(400, 'session does not exist');
    const { profile } = session;
    // Who is no administrator can change the name alone, and so gets no permission back that was dropped.
    const { plugins: _plugins, ...allowed } = profile.is_admin ? change : { name: change.name ?? '' };
    room.updateProfile(session, MemberProfile.parse({ ...profile, ...allowed }));
    return true;
  });

  routes.add('GET', '/stats', [], () => ({
    has_host: room.host !== undefined,
    ...(room.host === undefined ? {} : { host_id: room.host.id }),
    server_started_at: room.startedAt.toISOString(),
    ...room.attendance.stats,
  }));
}
