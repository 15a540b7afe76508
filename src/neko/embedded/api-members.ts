// The members, as a provider without a list of them answers. neko's internal/api/members and internal/member/multiuser.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ID_MAX_LENGTH, MemberProfile, NAME_MAX_LENGTH } from '../../signaling/messages.ts';
import { adminsOnly, ApiError, type ApiRoutes, readBody, readJson, readParameter } from './api.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';

const BULK_MAX = 10_000;

const NewMember = z.looseObject({
  username: z.string().max(NAME_MAX_LENGTH).default(''),
  password: z.string().max(NAME_MAX_LENGTH).default(''),
});
const Password = z.looseObject({ password: z.string().max(NAME_MAX_LENGTH).default('') });
const Bulk = z.looseObject({
  ids: z
    .array(z.string().max(ID_MAX_LENGTH))
    .max(BULK_MAX)
    .nullish()
    .transform((ids) => ids ?? []),
  profile: MemberProfile.partial().nullish(),
});

export function addMembersRoutes(routes: ApiRoutes, room: Room): void {
  /** Only who is logged in is known; of others the provider knows nothing. */
  const member = (request: FastifyRequest): Session => {
    const session = room.find(readParameter(request, 'memberId'));
    if (session === undefined) throw new ApiError(500, 'Internal Server Error');
    return session;
  };

  routes.add('GET', '/members', [], () => []);

  routes.add('POST', '/members', [adminsOnly], ({ request }) => {
    const { username, password } = readBody(request, NewMember);
    if (username === '') throw new ApiError(400, 'username cannot be empty');
    if (password === '') throw new ApiError(400, 'password cannot be empty');
    throw unsupported();
  });

  routes.add('GET', '/members/:memberId', [adminsOnly], ({ request }) => member(request).profile);

  routes.add('POST', '/members/:memberId', [adminsOnly], ({ request }) => {
    const session = member(request);
    update(room, session, readBody(request, MemberProfile.partial()));
  });

  routes.add('POST', '/members/:memberId/password', [adminsOnly], ({ request }) => {
    member(request);
    readBody(request, Password);
    throw unsupported();
  });

  // It logs out, and fails all the same, since nobody can be struck off a list that isn't there.
  routes.add('DELETE', '/members/:memberId', [adminsOnly], ({ request }) => {
    room.delete(member(request));
    throw unsupported();
  });

  routes.add('POST', '/members_bulk/update', [adminsOnly], ({ request }) => {
    const { ids, profile } = readBulk(request);
    for (const id of ids) {
      const session = room.find(id);
      if (session === undefined) throw new ApiError(500, `failed to update member ${id}`);
      update(room, session, profile ?? {});
    }
  });

  routes.add('POST', '/members_bulk/delete', [adminsOnly], ({ request }) => {
    for (const id of readBulk(request).ids) {
      const session = room.find(id);
      if (session !== undefined) room.delete(session);
      throw new ApiError(500, `failed to delete member ${id}`);
    }
  });
}

function update(room: Room, session: Session, change: object): void {
  const { plugins: _plugins, ...allowed } = z.looseObject({}).parse(change);
  room.updateProfile(session, MemberProfile.parse({ ...session.profile, ...allowed }));
}

function readBulk(request: FastifyRequest): z.infer<typeof Bulk> {
  const bulk = Bulk.safeParse(readJson(request));
  if (!bulk.success) throw new ApiError(400, 'unable to unmarshal payload', { cause: bulk.error });
  return bulk.data;
}

function unsupported(): ApiError {
  return new ApiError(500, 'Internal Server Error');
}
