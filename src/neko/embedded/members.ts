import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { MemberProfile } from '../../signaling/messages.ts';

/** Who may log in: everybody as an administrator, or by one of two passwords. */
export type MemberProvider = { type: 'noauth' } | { type: 'multiuser'; adminPassword: string; userPassword: string };

const ID_SUFFIX_BYTES = 4;

/** A profile without its name. (The schema keeps unknown fields, which `Omit` would make of it all.) */
type Rights = Record<
  | 'is_admin'
  | 'can_login'
  | 'can_connect'
  | 'can_watch'
  | 'can_host'
  | 'can_share_media'
  | 'can_access_clipboard'
  | 'sends_inactive_cursor'
  | 'can_see_inactive_cursors',
  boolean
> & { plugins: null };

const ADMIN: Rights = {
  is_admin: true,
  can_login: true,
  can_connect: true,
  can_watch: true,
  can_host: true,
  can_share_media: true,
  can_access_clipboard: true,
  sends_inactive_cursor: true,
  can_see_inactive_cursors: true,
  plugins: null,
};
const USER: Rights = { ...ADMIN, is_admin: false, can_see_inactive_cursors: false };

/** The id and profile of a login, or undefined when the password is wrong. Each login is a session of its own. */
export function authenticate(
  provider: MemberProvider,
  login: { username: string; password: string },
): { id: string; profile: MemberProfile } | undefined {
  const rights = rightsOf(provider, login.password);
  if (rights === undefined) return undefined;
  const id = `${login.username}-${randomBytes(ID_SUFFIX_BYTES).toString('hex')}`;
  return { id, profile: { name: login.username, ...rights } };
}

/** The profile of who comes with the API token. */
export function apiProfile(): MemberProfile {
  return {
    ...ADMIN,
    name: 'API Session',
    can_connect: false,
    can_share_media: false,
    sends_inactive_cursor: false,
    can_see_inactive_cursors: false,
  };
}

/** Whether two secrets are equal, in a time that doesn't tell how much of them is. */
export function isSameSecret(given: string, right: string): boolean {
  return timingSafeEqual(digest(given), digest(right));
}

function rightsOf(provider: MemberProvider, password: string): Rights | undefined {
  if (provider.type === 'noauth') return ADMIN;
  if (isSameSecret(password, provider.adminPassword)) return ADMIN;
  if (isSameSecret(password, provider.userPassword)) return USER;
  return undefined;
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
