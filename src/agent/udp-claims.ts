import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { claimSocket, type SocketClaim } from '../process/socket-claim.ts';

/**
 * Claims UDP ports of this host among all of ours, whatever agent, runtime or size of slice: an abstract unix socket a port, which the
 * kernel takes back when its process dies. It says nothing about other programs.
 * @returns undefined when one of them is somebody's
 */
export async function claimUdpPorts({ min, max }: { min: number; max: number }): Promise<SocketClaim | undefined> {
  const claims: SocketClaim[] = [];
  const release = async (): Promise<void> => void (await Promise.all(claims.map((claim) => claim.release())));
  for (let port = min; port <= max; port += 1) {
    const claim = await claimSocket(`\0nekogate-udp-${port}`);
    if (!claim) {
      await release();
      return undefined;
    }
    claims.push(claim);
  }
  return { release };
}

/** Whether no program has this port, on any of the host's addresses. */
export async function isUdpFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}
