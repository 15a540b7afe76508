import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { joinHostPort } from '../net/address.ts';
import { GatewayError, messageOf } from '../errors.ts';
import { ownAddresses } from '../net/own-addresses.ts';
import type { Endpoint } from '../protocol/ice.ts';
import {
  PreflightSent,
  preflightText,
  type PreflightFindings,
  type PreflightListening,
  type PreflightPath,
} from '../protocol/preflight.ts';
import { closeSocket, CLOSE_NORMAL } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import type { Reach } from './media.ts';
import { probeTurn, type Peer } from './turn-probe.ts';
import { turnServerFor } from './turn.ts';

/** Time that a datagram has to come, a TCP connection to be made, and the gateway to say what it sent. */
const ARRIVAL_MS = 1500;
const CONNECT_MS = 4000;
const GATEWAY_MS = 10_000;
/** Datagrams that are remembered; what strangers send beyond that is passed over. */
const HEARD_MAX = 256;
const CREDENTIALS_MS = 60_000;
const ADDRESSES_MAX = 16;

/** What there is to try on this host. */
export interface Tryable extends Reach {
  tcp: readonly Endpoint[];
  udpPorts: { readonly min: number; readonly max: number };
}

/**
 * Finds out, together with the gateway at the other end of the tunnel, which ways lead to this host, and tells it. Listens on a port
 * that a next session could have. Resolves once all is said.
 */
export async function answerPreflight(tunnel: WebSocket, { addresses, turn, tcp, udpPorts }: Tryable): Promise<void> {
  try {
    const declared = addresses.map(({ address }) => address);
    const reached = (declared.length > 0 ? declared : ownAddresses({ withV6: true })).slice(0, ADDRESSES_MAX);
    await using listening = await listen(udpPorts);
    const { port, heard } = listening;
    tunnel.send(JSON.stringify({ addresses: reached, port } satisfies PreflightListening));
    const sent = receiveSent(tunnel);
    tunnel.resume();
    const { nonce, unsent } = await sent;
    const expected: Expected = { reached, port, heard, nonce };
    const paths = await Promise.all([
      lookForArrivals(expected, unsent),
      ...(turn?.urls ?? []).map((url) => tryTurn({ urls: [url], secret: turn?.secret ?? '' }, expected)),
      ...tcp.map(tryTcp),
    ]);
    tunnel.send(JSON.stringify({ paths: paths.flat().slice(0, 64).map(fit) } satisfies PreflightFindings));
  } finally {
    closeSocket(tunnel, CLOSE_NORMAL, '');
  }
}

async function receiveSent(tunnel: WebSocket): Promise<PreflightSent> {
  try {
    const [bytes] = await once(tunnel, 'message', { signal: AbortSignal.timeout(GATEWAY_MS) });
    return PreflightSent.parse(JSON.parse(textOf(bytes)));
  } catch (cause) {
    throw new GatewayError('BAD_FRAME', 'the gateway did not say what it sent', { cause });
  }
}

/** Where datagrams are to come in, and the texts of those that did. */
interface Expected {
  reached: readonly string[];
  port: number;
  heard: ReadonlySet<string>;
  nonce: string;
}

async function lookForArrivals(
  { reached, port, heard, nonce }: Expected,
  unsent: PreflightSent['unsent'],
): Promise<PreflightPath[]> {
  await untilHeard(
    heard,
    reached.filter((address) => unsent[address] === undefined).map((address) => preflightText(nonce, address)),
  );
  return reached.map((address) => {
    const ok = heard.has(preflightText(nonce, address));
    const detail = ok
      ? `a datagram from the gateway came to UDP port ${port}; viewers elsewhere may fare otherwise`
      : `no datagram from the gateway came to UDP port ${port}: ${unsent[address] ?? 'it was sent and lost'}; let UDP in to the ports of sessions (firewall, port forwarding, security group), declare another address (--nat1to1), or offer TURN (--turn) or TCP (--tcp-media)`;
    return { plan: 'direct', target: address, ok, detail };
  });
}

async function tryTurn(
  servers: { urls: [string]; secret: string },
  { reached, port, heard, nonce }: Expected,
): Promise<PreflightPath[]> {
  const [url] = servers.urls;
  const text = (address: string): string => preflightText(nonce, `${url} ${address}`);
  const peers: Peer[] = reached
    // A relay of ours takes IPv4, as most do.
    .filter((address) => !isIPv6(address))
    .map((address) => ({ address, port, datagram: Buffer.from(text(address)) }));
  const expiresAt = new Date(Date.now() + CREDENTIALS_MS).toISOString();
  const server = turnServerFor(servers, { loginId: 'preflight', expiresAt }, Date.now());
  const outcome = await probeTurn(url, server, peers);
  const path = (ok: boolean, detail: string): PreflightPath[] => [{ plan: 'turn', target: url, ok, detail }];
  if ('refused' in outcome)
    return path(
      false,
      `no relay could be had: ${outcome.refused}; does the TURN server run, let this host in at that port, have the same secret (static-auth-secret) and the same time?`,
    );
  const sent = peers.filter(({ address }) => outcome.unsent.get(address) === undefined);
  await untilHeard(
    heard,
    sent.map(({ address }) => text(address)),
  );
  const arrived = peers.filter(({ address }) => heard.has(text(address))).map(({ address }) => address);
  if (arrived.length > 0) return path(true, `a relay was had, and a datagram by it came to ${arrived.join(', ')}`);
  const lost = peers.map(({ address }) => `${address} (${outcome.unsent.get(address) ?? 'it was sent and lost'})`);
  return path(
    false,
    `a relay was had, but no datagram by it came to ${lost.join(', ')}; the TURN server must reach this host's UDP ports, and may have to allow its address as a peer (coturn: allowed-peer-ip)`,
  );
}

async function tryTcp({ address, port }: Endpoint): Promise<PreflightPath> {
  const target = joinHostPort(address, port);
  const socket = connect({ host: address, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_MS) });
    const detail = 'this host made a connection to it; viewers elsewhere may fare otherwise';
    return { plan: 'tcp', target, ok: true, detail };
  } catch (thrown) {
    const why = messageOf(thrown);
    const detail = `this host can't connect to it: ${why}; let TCP in to the gateway at that port, or tell another address (--tcp-media-address)`;
    return { plan: 'tcp', target, ok: false, detail };
  } finally {
    socket.destroy();
  }
}

/** Resolves once all came, or their time is over. */
async function untilHeard(heard: ReadonlySet<string>, texts: readonly string[]): Promise<void> {
  const deadline = Date.now() + ARRIVAL_MS;
  while (texts.some((text) => !heard.has(text)) && Date.now() < deadline) await sleep(20);
}

interface Listening extends AsyncDisposable {
  port: number;
  heard: Set<string>;
}

/** On a free port of the sessions', on all addresses. From the end of their range: sessions begin at the other one. */
async function listen({ min, max }: Tryable['udpPorts']): Promise<Listening> {
  for (let port = max; port >= min; port -= 1) {
    const heard = new Set<string>();
    const v4 = await bind('udp4', port, heard);
    if (!v4) continue;
    const v6 = await bind('udp6', port, heard);
    return {
      port,
      heard,
      [Symbol.asyncDispose]: async () => {
        v4.close();
        v6?.close();
      },
    };
  }
  throw new GatewayError('SESSION_LIMIT', 'all UDP ports of sessions are taken on this host; stop a session');
}

/** @returns undefined when it is taken, or the host has no such addresses */
async function bind(type: 'udp4' | 'udp6', port: number, heard: Set<string>): Promise<Socket | undefined> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  try {
    socket.bind(port);
    await once(socket, 'listening');
  } catch {
    socket.close();
    return undefined;
  }
  socket.on('error', () => undefined);
  socket.on('message', (datagram) => {
    if (heard.size < HEARD_MAX) heard.add(datagram.toString('utf8'));
  });
  return socket;
}

function fit({ detail, target, ...path }: PreflightPath): PreflightPath {
  return { ...path, target: target.slice(0, 512), detail: detail.slice(0, 1024) };
}
