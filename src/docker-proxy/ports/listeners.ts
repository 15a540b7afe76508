import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import { createStreamServer, type StreamServer } from '../streams/server.ts';
import type { Wish } from './asked.ts';

/** One published port on this machine. */
export interface Listener {
  wish: Wish;
  localPort: number;
  /** Idempotent; the port is free at once. Resolves once its connections have ended by themselves. */
  leave(): Promise<void>;
  /** Idempotent; ends its connections. */
  close(): Promise<void>;
}

/** Connections of one published port at once; one more is hung up on. */
const CONNECTIONS_MAX = 1024;
/** How often a port is drawn that both loopbacks have free. */
const DRAWS_MAX = 20;

/** Every address means this machine's own: who wants to be reached from elsewhere names the address. */
const LOOPBACK: Record<string, readonly string[]> = {
  '': ['127.0.0.1', '::1'],
  '0.0.0.0': ['127.0.0.1'],
  '::': ['::1'],
  '[::]': ['::1'],
};

/**
 * Listens for one published port; `preferred` is what it had before.
 * @throws GatewayError PORT_TAKEN in the daemon's own words
 */
export async function listen(
  wish: Wish,
  preferred: number | undefined,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  let failure: unknown;
  for (const port of candidates(wish, preferred)) {
    try {
      return await listenOn(wish, port, onConnection);
    } catch (error) {
      failure = error;
    }
  }
  throw toFailure(wish, failure);
}

function* candidates({ range }: Wish, preferred: number | undefined): Generator<number> {
  if (preferred !== undefined && (range === undefined || (preferred >= range.first && preferred <= range.last)))
    yield preferred;
  if (range === undefined) for (let draw = 0; draw < DRAWS_MAX; draw++) yield 0;
  else for (let port = range.first; port <= range.last; port++) yield port;
}

async function listenOn(wish: Wish, port: number, onConnection: (socket: Socket) => void): Promise<Listener> {
  await using opened = new AsyncDisposableStack();
  let localPort = port;
  let failure: unknown;
  const servers: StreamServer[] = [];
  for (const address of LOOPBACK[wish.address] ?? [wish.address.replaceAll(/[[\]]/g, '')]) {
    try {
      const opening = await openServer(address, localPort, onConnection);
      opened.defer(opening.close);
      servers.push(opening);
      localPort = portOf(opening.server);
    } catch (error) {
      // A machine without IPv6.
      if (!isCode(error, 'EADDRNOTAVAIL', 'EAFNOSUPPORT') || wish.address !== '') throw error;
      failure = error;
    }
  }
  if (servers.length === 0) throw failure;
  const owned = opened.move();
  return {
    wish,
    localPort,
    leave: async () => void (await Promise.all(servers.map(({ leave }) => leave()))),
    close: () => owned.disposeAsync(),
  };
}

async function openServer(
  address: string,
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<StreamServer> {
  const opened = createStreamServer(CONNECTIONS_MAX, onConnection);
  opened.server.listen({ host: address, port, ipv6Only: true });
  await once(opened.server, 'listening');
  return opened;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens nowhere');
  return address.port;
}

/** As dockerd says it, for clients read that. */
function toFailure({ address, range }: Wish, error: unknown): GatewayError {
  const ip = address === '' ? '0.0.0.0' : address;
  const place = `${ip}:${range?.first ?? 0}`;
  if (isCode(error, 'EADDRINUSE'))
    return new GatewayError('PORT_TAKEN', `Bind for ${place} failed: port is already allocated`, { cause: error });
  const why = isCode(error, 'EACCES')
    ? 'permission denied'
    : isCode(error, 'EADDRNOTAVAIL')
      ? 'cannot assign requested address'
      : String(error);
  return new GatewayError('PORT_TAKEN', `listen tcp ${place}: bind: ${why}`, { cause: error });
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
