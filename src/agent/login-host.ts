import { NekoClient } from '../neko/client.ts';
import type { LoginHost } from './logins.ts';
import type { RunningSession } from './runtimes/runtime.ts';

/** A running session as its logins see it. */
export function loginHostOf({ neko, folder }: Pick<RunningSession, 'neko' | 'folder'>): LoginHost {
  const client = new NekoClient(neko);
  return {
    baseUrl: neko.baseUrl,
    folder,
    neko: {
      login: (name, role) => client.login(name, role),
      logout: (token) => client.logout(token),
      socketUrl: (token) => client.socketUrl(token),
      screenshot: (quality) => client.screenshot({ quality }),
      logoutOthers: async (ids) => {
        const others = (await client.sessions()).filter(({ id }) => !ids.has(id));
        await Promise.all(others.map(({ id }) => client.delete(id)));
      },
    },
  };
}
