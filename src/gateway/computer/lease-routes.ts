import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { Holder } from '../../protocol/computer.ts';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import { accessOf, untilGone } from '../calls.ts';
import type { Leases } from './leases.ts';
import type { Programs } from './programs.ts';

const WAIT_MAX_MS = 120_000;

const Lease = z.object({
  driver: Holder.nullable().describe('Who has the controls'),
  stand: z
    .enum(['driving', 'waiting', 'idle'])
    .describe('Of the program of this access: waiting is for a person who took over to hand back'),
  queue: z.array(z.string()).describe('Which programs wait for the controls, the next first'),
});
const Params = z.object({ sessionId: Id });
const Take = z.strictObject({
  waitMs: z
    .int()
    .min(0)
    .max(WAIT_MAX_MS)
    .default(0)
    .describe('How long to wait in the queue while somebody else drives'),
});

export interface LeaseDeps {
  programs: Programs;
  leases: Leases;
}

/** Who drives a session, and until when; programs take and leave the controls without acting. */
export function addLeaseRoutes(app: App, { programs, leases }: LeaseDeps): void {
  const path = '/api/v1/sessions/:sessionId/lease';
  const shown = (
    accessId: string,
    sessionId: string,
    stand: z.infer<typeof Lease>['stand'],
  ): z.input<typeof Lease> => ({
    driver: leases.driverOf(accessId) ?? null,
    stand,
    queue: leases.queueOf(sessionId),
  });
  const schema = { tags: ['computer'], params: Params, response: { 200: Lease } };

  app.get(
    path,
    { config: { allow: 'member' }, schema: { ...schema, summary: 'Who drives, until when, and who is next' } },
    async ({ principal, id: requestId, ip: address }) => {
      const access = accessOf(principal);
      const { driver } = await programs.meet(access, { address, requestId });
      return shown(access.id, access.session_id, driver.stand);
    },
  );

  app.post(
    path,
    {
      config: { allow: 'member' },
      schema: { ...schema, body: Take, summary: 'Take the controls, once they are free' },
    },
    async ({ principal, id: requestId, ip: address, body }, reply) => {
      const access = accessOf(principal);
      if (access.role === 'viewer')
        throw new GatewayError('FORBIDDEN', 'who may only watch has no use for the controls');
      return await programs.use(access, { address, requestId }, untilGone(reply), async ({ driver }, signal) => {
        await leases.take(access.id, body.waitMs, signal);
        return shown(access.id, access.session_id, driver.stand);
      });
    },
  );

  app.delete(
    path,
    {
      config: { allow: 'member' },
      schema: { ...schema, summary: 'Let go of the controls, and of getting them back from a person who took over' },
    },
    async ({ principal, id: requestId, ip: address }, reply) => {
      const access = accessOf(principal);
      return await programs.use(access, { address, requestId }, untilGone(reply), async ({ driver }, signal) => {
        await driver.release(signal);
        return shown(access.id, access.session_id, driver.stand);
      });
    },
  );
}
