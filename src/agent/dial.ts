import { WebSocket, type ClientOptions } from 'ws';
import { isLoopback } from '../net/address.ts';
import { TUNNEL_DIAL_MS } from '../protocol/limits.ts';
import { writeDirectly } from '../websocket/direct.ts';

/** Opens a WebSocket to the gateway, for one tunnel. */
export function dialTunnel(url: string, options: Pick<ClientOptions, 'headers' | 'maxPayload'>): WebSocket {
  const isUnmasked = canGoUnmasked(url);
  const socket = new WebSocket(url, {
    ...options,
    perMessageDeflate: false,
    handshakeTimeout: TUNNEL_DIAL_MS,
    ...(isUnmasked ? { generateMask: (mask) => void mask.fill(0) } : {}),
  });
  if (isUnmasked) socket.once('upgrade', ({ socket: stream }) => writeDirectly(socket, { stream, isMasked: true }));
  return socket;
}

/**
 * Masks keep proxies that read along from taking a frame for something else (RFC 6455, 10.3). Where none can, inside TLS and inside this
 * host, a mask of zeros, which `ws` passes over at both ends, carries pictures twice as fast.
 */
function canGoUnmasked(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'wss:' || isLoopback(hostname.replaceAll(/[[\]]/g, ''));
}
