import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TcpTransport, TlsTransport, TurnProtocol, UdpTransport, type Transport } from 'werift';
import { messageOf } from '../errors.ts';
import type { IceServer } from '../signaling/messages.ts';

export interface Peer {
  /** IPv4. */
  address: string;
  port: number;
  /** What to send it by the relay. */
  datagram: Buffer;
}

/** What a TURN server did: none of it, and why; or a relay, and why it takes nothing for some peers. */
export type TurnOutcome = { refused: string } | { unsent: Map<string, string> };

/** For one server to give a relay. */
const ANSWER_MS = 5000;
/** For which the relay is asked, in seconds; it is given back before. */
const LIFETIME_S = 60;
const PORT = 3478;
const SECURE_PORT = 5349;

/** Asks for a relay, sends one datagram to each peer by it, and gives it back. Never rejects. */
export async function probeTurn(
  url: string,
  { username = '', credential = '' }: Pick<IceServer, 'username' | 'credential'>,
  peers: readonly Peer[],
): Promise<TurnOutcome> {
  const { host, port, transport } = readTurnUrl(url);
  const server: [string, number] = [host, port];
  let client: TurnProtocol | undefined;
  try {
    client = new TurnProtocol(server, username, credential, LIFETIME_S, await openTransport(transport, server));
    const late = new AbortController();
    const refused = sleep(ANSWER_MS, 'no answer', { signal: late.signal });
    const outcome = await Promise.race([client.connectionMade(), refused]).finally(() => late.abort());
    if (outcome === undefined) return { unsent: await sendAll(client, peers) };
    // Its first answer asks for credentials. Another one to those it signs with the right secret alone, and werift takes no other.
    return { refused: client.realm === undefined ? outcome : 'it does not take the credentials' };
  } catch (thrown) {
    return { refused: reasonOf(thrown) };
  } finally {
    await client?.close();
  }
}

function openTransport(transport: 'udp' | 'tcp' | 'tls', server: [string, number]): Promise<Transport> {
  const options = { connectTimeoutMs: ANSWER_MS };
  switch (transport) {
    case 'udp':
      return UdpTransport.init(isIPv6(server[0]) ? 'udp6' : 'udp4');
    case 'tcp':
      // @ts-expect-error -- werift's own transport, which its own type doesn't fit under exactOptionalPropertyTypes
      return TcpTransport.init(server, options);
    case 'tls':
      // @ts-expect-error -- as above
      return TlsTransport.init(server, undefined, options);
    default:
      throw new Error(`unreachable: ${String(transport satisfies never)}`);
  }
}

async function sendAll(client: TurnProtocol, peers: readonly Peer[]): Promise<Map<string, string>> {
  const unsent = new Map<string, string>();
  for (const { address, port, datagram } of peers)
    await client.sendData(datagram, [address, port]).catch((error: unknown) => unsent.set(address, reasonOf(error)));
  return unsent;
}

/** Of a URL that `parseTurnServers` let pass. */
function readTurnUrl(url: string): { host: string; port: number; transport: 'udp' | 'tcp' | 'tls' } {
  const [, scheme, host = '', port, transport] =
    /^(turns?):(\[[^\]]+\]|[^:?]+)(?::(\d+))?(?:\?transport=(udp|tcp))?$/.exec(url) ?? [];
  const isSecure = scheme === 'turns';
  return {
    host: host.replaceAll(/[[\]]/g, ''),
    port: Number(port ?? (isSecure ? SECURE_PORT : PORT)),
    transport: isSecure ? 'tls' : transport === 'tcp' ? 'tcp' : 'udp',
  };
}

/** werift's failures of STUN say what they are in `str`, and nothing in `message`. */
function reasonOf(thrown: unknown): string {
  if (thrown instanceof Error && 'str' in thrown && typeof thrown.str === 'string') return thrown.str;
  return messageOf(thrown);
}
