import type { ClientOptions } from 'ws';
import { isLoopback } from '../net/address.ts';

/**
 * How a WebSocket to the gateway masks its frames. Masks keep proxies that read along from taking a frame for something else (RFC 6455,
 * 10.3). Where none can, inside TLS and inside this host, a mask of zeros, which `ws` passes over at both ends, carries pictures twice as fast.
 */
export function maskingOf(url: string): Pick<ClientOptions, 'generateMask'> {
  const { protocol, hostname } = new URL(url);
  const isInside = isLoopback(hostname.replaceAll(/[[\]]/g, ''));
  return protocol === 'wss:' || isInside ? { generateMask: (mask) => void mask.fill(0) } : {};
}
