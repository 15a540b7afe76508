import { networkInterfaces } from 'node:os';

/** This host's addresses that others can reach it at, as far as a host can know: neither loopback nor link-local. IPv4 first. */
export function ownAddresses({ withV6 }: { withV6: boolean }): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const reachable = all.filter(({ internal, address }) => !internal && !/^(?:169\.254\.|fe80:)/i.test(address));
  const of = (wanted: 'IPv4' | 'IPv6'): string[] =>
    reachable.filter(({ family }) => family === wanted).map(({ address }) => address);
  return withV6 ? [...of('IPv4'), ...of('IPv6')] : of('IPv4');
}
