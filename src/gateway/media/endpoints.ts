import { isIP, isIPv6 } from 'node:net';
import { parsePlace, type Place } from '../../net/address.ts';
import { GatewayError } from '../../errors.ts';
import { ownAddresses } from '../../net/own-addresses.ts';
import { ENDPOINTS_MAX, type Endpoint } from '../../protocol/ice.ts';

/** Where media over TCP is taken, and which addresses viewers are told; empty: where it listens. */
export interface TcpMediaOptions extends Place {
  addresses: readonly string[];
}

/** Reads `[ADDRESS:]PORT`. @throws GatewayError BAD_REQUEST */
export function parseTcpMedia(text: string, addresses: readonly string[]): TcpMediaOptions {
  const place = parsePlace(text, { flag: '--tcp-media', host: '0.0.0.0' });
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong !== undefined)
    throw new GatewayError('BAD_REQUEST', `--tcp-media-address ${wrong} is no IP address; browsers take no names here`);
  if (addresses.length > ENDPOINTS_MAX)
    throw new GatewayError('BAD_REQUEST', `--tcp-media-address may be given ${ENDPOINTS_MAX} times`);
  return { ...place, addresses };
}

/** What viewers are told of a listener that has this port. */
export function endpointsOf({ host, addresses }: Omit<TcpMediaOptions, 'port'>, port: number): Endpoint[] {
  const told = addresses.length > 0 ? addresses : isWildcard(host) ? ownAddresses({ withV6: isIPv6(host) }) : [host];
  return told.slice(0, ENDPOINTS_MAX).map((address) => ({ address, port }));
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
