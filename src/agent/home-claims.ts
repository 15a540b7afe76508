import { GatewayError } from '../errors.ts';
import { claimSocket, type SocketClaim } from '../process/socket-claim.ts';

/**
 * Who has the claim has the home, until it is released or its process dies: one session, or who removes it. `place` tells apart
 * homes of one name on one host, at most 16 characters.
 * @throws GatewayError CONFLICT when somebody else has it
 */
export async function claimHome(home: string, place = ''): Promise<SocketClaim> {
  const claim = await claimSocket(`\0nekogate-home-${home}${place === '' ? '' : `-${place}`}`);
  if (claim) return claim;
  throw new GatewayError(
    'CONFLICT',
    `the home ${home} is in use by another session on this host; one at a time can have it`,
  );
}
