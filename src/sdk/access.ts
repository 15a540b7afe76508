import { z } from 'zod';
import { Access, GrantedAccess, Login } from '../protocol/api.ts';
import type { Role } from '../protocol/session.ts';
import type { CallApi, CallOptions } from './http.ts';
import { partOf, pathOf } from './sessions.ts';

export interface GrantOptions extends CallOptions {
  role: Role;
  /** A day when left out. */
  ttlSeconds?: number;
  /** Shown to who lists accesses and logins. */
  label?: string;
}

/** Who may join a session; needs the administrator's token. */
export interface Accesses {
  /** The token comes this once. */
  grant(sessionId: string, options: GrantOptions): Promise<GrantedAccess>;
  list(sessionId: string, options?: CallOptions): Promise<Access[]>;
  /** Its live connections end at once. */
  revoke(sessionId: string, accessId: string, options?: CallOptions): Promise<void>;
}

/** Who is in a session; needs the administrator's token or an owner's. */
export interface Logins {
  list(sessionId: string, options?: CallOptions): Promise<Login[]>;
  /** Its access may join again until it is revoked. */
  end(sessionId: string, loginId: string, options?: CallOptions): Promise<void>;
}

const Nothing = z.undefined();

export function accessesOf(callApi: CallApi): Accesses {
  return {
    grant: (sessionId, { role, ttlSeconds, label, ...options }) =>
      callApi(
        {
          method: 'POST',
          path: `${pathOf(sessionId)}/access`,
          body: { role, ttlSeconds, label },
          reply: GrantedAccess,
        },
        options,
      ),
    list: async (sessionId, options) => {
      const reply = z.object({ access: z.array(Access) });
      return (await callApi({ method: 'GET', path: `${pathOf(sessionId)}/access`, reply }, options)).access;
    },
    revoke: (sessionId, accessId, options) =>
      callApi({ method: 'DELETE', path: `${pathOf(sessionId)}/access/${partOf(accessId)}`, reply: Nothing }, options),
  };
}

export function loginsOf(callApi: CallApi): Logins {
  return {
    list: async (sessionId, options) => {
      const reply = z.object({ logins: z.array(Login) });
      return (await callApi({ method: 'GET', path: `${pathOf(sessionId)}/logins`, reply }, options)).logins;
    },
    end: (sessionId, loginId, options) =>
      callApi({ method: 'DELETE', path: `${pathOf(sessionId)}/logins/${partOf(loginId)}`, reply: Nothing }, options),
  };
}
