import { z } from 'zod';
import type { App } from '../app.ts';
import type { Logins } from '../logins/logins.ts';
import { callingOf, type Calling, type Desks } from './desk.ts';

const StreamStatus = z.object({ active: z.boolean() });

export interface StreamRoutesDeps {
  desks: Desks;
  logins: Logins;
}

/** A desktop that runs can be streamed: nothing of that is started or stopped. Stopping ends the caller's own streams, and nobody else's. */
export function addStreamRoutes(app: App, { desks, logins }: StreamRoutesDeps): void {
  const config = { allow: 'member' } as const;
  const schema = { hide: true, response: { 200: StreamStatus } };

  const tell = async (calling: Calling): Promise<z.infer<typeof StreamStatus>> => {
    const { state } = await desks.status(calling);
    return { active: state === 'active' };
  };

  app.get('/desktop/stream/status', { config, schema }, async (request, reply) => tell(callingOf(request, reply)));

  app.post('/desktop/stream/start', { config, schema }, async (request, reply) => {
    await desks.assertActive(callingOf(request, reply));
    return { active: true };
  });

  app.post('/desktop/stream/stop', { config, schema }, async (request, reply) => {
    const calling = callingOf(request, reply);
    const { access } = calling;
    const own = logins
      .list(access.session_id)
      .filter((login) => login.access.id === access.id && login.client === 'sandbox-agent');
    for (const login of own) login.end({ by: 'client', code: 'CLIENT_LEFT', message: 'its client stopped the stream' });
    return await tell(calling);
  });
}
