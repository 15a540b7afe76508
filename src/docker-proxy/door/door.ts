import { once } from 'node:events';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { isLoopback, joinHostPort } from '../../net/address.ts';
import { GatewayError } from '../../errors.ts';
import { claimSocket } from '../../process/socket-claim.ts';
import { LIMITS, tooMany } from '../limits.ts';
import { createStreamServer } from '../streams/server.ts';
import { serveConnection, type ConnectionDeps } from './connection.ts';

export type DoorAddress = { kind: 'socket'; path: string } | { kind: 'tcp'; host: string; port: number };

/** Clients beyond the limit who are told so at once; one more is hung up on. */
const REFUSED_MAX = 100;

/** Where Docker's clients knock. Closing it ends their connections. */
export interface Door extends AsyncDisposable {
  /** As in DOCKER_HOST. */
  url: string;
  /** Clients now, with those who are told that there are too many. */
  connections: () => number;
}

export interface DoorDeps extends Omit<ConnectionDeps, 'isGuarded' | 'refusal'> {
  connectionsMax?: number;
}

/** @throws GatewayError CONFLICT when another proxy has the address, BAD_REQUEST when nobody may have it */
export async function openDoor(deps: DoorDeps, address: DoorAddress): Promise<Door> {
  const { connectionsMax = LIMITS.connections } = deps;
  const { server, connections, close } = createStreamServer(connectionsMax + REFUSED_MAX, (socket) => {
    const refusal = connections() > connectionsMax ? tooMany('connections', connectionsMax) : undefined;
    void serveConnection({ ...deps, isGuarded: address.kind === 'tcp', refusal }, socket);
  });
  const release = address.kind === 'socket' ? await listenOnSocket(server, address.path) : undefined;
  if (address.kind === 'tcp') await listenOnTcp(server, address);
  return {
    url: urlOf(server),
    connections,
    [Symbol.asyncDispose]: async () => {
      await close();
      await release?.();
    },
  };
}

async function listenOnSocket(server: Server, path: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Who has the claim may take away what a killed proxy left.
  const claim = await claimSocket(`\0nekogate-docker-proxy:${path}`);
  if (claim === undefined || (await answers(path))) {
    await claim?.release();
    throw new GatewayError('CONFLICT', `somebody listens at ${path} already; --socket names another place`);
  }
  await rm(path, { force: true });
  // Bound within `listen`, so that it is nobody else's for a moment either.
  const mask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(mask);
  }
  await once(server, 'listening');
  await chmod(path, 0o600);
  return () => claim.release();
}

async function listenOnTcp(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  if (!isLoopback(host))
    throw new GatewayError(
      'BAD_REQUEST',
      `${host} is no address of the loopback, and whoever reaches this port has the remote host`,
    );
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new GatewayError('CONFLICT', `${host}:${port} can't be listened on: ${String(cause)}`, { cause });
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // Nobody there, or no socket.
    return false;
  } finally {
    socket.destroy();
  }
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null) throw new Error('the door listens nowhere');
  if (typeof address === 'string') return `unix://${address}`;
  return `tcp://${joinHostPort(address.address, address.port)}`;
}
