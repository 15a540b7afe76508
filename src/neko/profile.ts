import type { Role } from '../protocol/session.ts';

/** What neko lets a login do; its `plugins` we never use. */
export interface Profile {
  is_admin: boolean;
  can_login: boolean;
  can_connect: boolean;
  can_watch: boolean;
  can_host: boolean;
  can_share_media: boolean;
  can_access_clipboard: boolean;
  sends_inactive_cursor: boolean;
  can_see_inactive_cursors: boolean;
}

const WATCH: Profile = {
  is_admin: false,
  can_login: true,
  can_connect: true,
  can_watch: true,
  can_host: false,
  can_share_media: false,
  can_access_clipboard: false,
  sends_inactive_cursor: false,
  can_see_inactive_cursors: false,
};

/** The most that a login of this role may do in neko. */
export function profileOf(role: Role): Profile {
  switch (role) {
    case 'viewer':
      return WATCH;
    case 'controller':
      return { ...WATCH, can_host: true, can_access_clipboard: true };
    case 'owner':
      return { ...WATCH, can_host: true, can_access_clipboard: true, is_admin: true };
  }
}
