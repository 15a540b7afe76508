import { GatewayError } from '../../errors.ts';
import { claimSocket, type SocketClaim } from '../../process/socket-claim.ts';

/** The volume in which a home is kept. */
export function homeVolumeOf(home: string): string {
  return `nekogate-home-${home}`;
}

/** @throws GatewayError CONFLICT when another session of this host has it */
export async function claimHome(home: string): Promise<SocketClaim> {
  const claim = await claimSocket(`\0${homeVolumeOf(home)}`);
  if (claim) return claim;
  throw new GatewayError(
    'CONFLICT',
    `the home ${home} is in use by another session on this host; one at a time can have it`,
  );
}
