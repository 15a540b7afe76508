import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors.ts';
import type { Principal } from '../auth.ts';
import { accessOf, untilGone } from '../calls.ts';
import type { Programs } from '../computer/programs.ts';
import type { AccessRow } from '../store/tables.ts';

/** The access of a call that is not for who may only watch. @throws GatewayError FORBIDDEN */
export function controllerOf(principal: Principal): AccessRow {
  const access = accessOf(principal);
  if (access.role !== 'viewer') return access;
  throw new GatewayError(
    'FORBIDDEN',
    'role viewer may look at the windows alone; a controller or an owner may do this',
  );
}

/**
 * Does what changes the desktop under who drives it: takes the controls before, as an action does, after the access's calls before it.
 * @throws GatewayError FORBIDDEN | CONTROL_TAKEN, a ControlRefusal, while somebody else has them
 */
export async function withControls<T>(
  programs: Programs,
  { principal, id: requestId, ip: address }: Pick<FastifyRequest, 'principal' | 'id' | 'ip'>,
  reply: Pick<FastifyReply, 'raw'>,
  act: (access: AccessRow, options: { signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const access = controllerOf(principal);
  return await programs.use(access, { address, requestId }, untilGone(reply), async ({ driver }, signal) => {
    await driver.takeControls(signal);
    return await act(access, { signal });
  });
}
