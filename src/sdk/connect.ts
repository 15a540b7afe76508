import { accessesOf, loginsOf, type Accesses, type GrantOptions, type Logins } from './access.ts';
import { desktopOf, type Desktop } from './desktop.ts';
import { NekogateError } from './errors.ts';
import { createCaller, type Connection } from './http.ts';
import { sessionsOf, type Sessions } from './sessions.ts';

const OPENED_TTL_SECONDS = 60 * 60;

/** A desktop with an access of its own. */
export interface OpenedDesktop extends Desktop, AsyncDisposable {
  readonly accessId: string;
  /** Revokes the access, and so gives the controls back; again is fine. */
  close(): Promise<void>;
}

export interface Nekogate {
  readonly sessions: Sessions;
  readonly access: Accesses;
  readonly logins: Logins;
  /** The desktop of the session that the token is an access to. Nothing is sent yet. */
  desktop(sessionId: string): Desktop;
  /** Grants an access, a controller's for an hour unless told otherwise, and drives by it; needs the administrator's token. */
  openDesktop(sessionId: string, options?: Partial<GrantOptions>): Promise<OpenedDesktop>;
}

/** A gateway by its HTTP API. Nothing is sent yet. @throws NekogateError BAD_REQUEST for what is no address */
export function connect(connection: Connection): Nekogate {
  const caller = createCaller(connection);
  const { callApi } = caller;
  const access = accessesOf(callApi);
  return {
    sessions: sessionsOf(callApi),
    access,
    logins: loginsOf(callApi),
    desktop: (sessionId) => desktopOf(caller, sessionId),
    async openDesktop(sessionId, options = {}) {
      const granted = await access.grant(sessionId, {
        role: 'controller',
        ttlSeconds: OPENED_TTL_SECONDS,
        label: 'program',
        ...options,
      });
      const desktop = desktopOf(createCaller({ url: connection.url, token: granted.token }), sessionId);
      let closing: Promise<void> | undefined;
      const close = (): Promise<void> =>
        (closing ??= access.revoke(sessionId, granted.id).catch((thrown: unknown) => {
          // With its session gone, the access is too.
          if (!(thrown instanceof NekogateError) || thrown.status !== 404) throw thrown;
        }));
      return { ...desktop, accessId: granted.id, close, [Symbol.asyncDispose]: close };
    },
  };
}
