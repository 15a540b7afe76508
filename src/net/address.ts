import { isIP, isIPv6 } from 'node:net';
import { GatewayError } from '../errors.ts';

/** Where something listens. */
export interface Place {
  host: string;
  port: number;
}

/** Reads `[ADDRESS:]PORT`, as a flag has it. @throws GatewayError BAD_REQUEST */
export function parsePlace(text: string, { flag, host: usual }: { flag: string; host: string }): Place {
  const [, bracketed, plain, port = ''] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? usual;
  if (isIP(host) === 0 || port === '' || Number(port) > 65_535)
    throw new GatewayError('BAD_REQUEST', `${flag} ${text} is not like 5901, 192.0.2.7:5901 or [2001:db8::7]:5901`);
  return { host, port: Number(port) };
}

/** Whether only this host reaches it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** As URLs have them: IPv6 in brackets. */
export function joinHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
