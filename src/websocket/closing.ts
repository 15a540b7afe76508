import type { WebSocket } from 'ws';
import { GatewayError, isFailureCode, type FailureCode } from '../errors.ts';

/** Close codes of ours that are no failure; 4xxx codes of failures stand in the catalogue. */
export const CLOSE_NORMAL = 1000;
/** Told on a tunnel when the client's link broke rather than was closed by it. */
export const CLOSE_CLIENT_LOST = 4499;

/** Time that a peer has to answer a close frame before its socket is cut. */
const CLOSE_GRACE_MS = 2000;

/** A close that says why: the failure's close code, its name as the reason. */
export function closeWith(socket: WebSocket, code: FailureCode): void {
  closeSocket(socket, new GatewayError(code, '').closeCode, code);
}

/** Closes, and cuts the connection when the peer does not answer in time. Harmless on a socket that is closed or never opened. */
export function closeSocket(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === socket.CONNECTING) socket.terminate();
  if (socket.readyState !== socket.OPEN) return;
  const timer = setTimeout(() => socket.terminate(), CLOSE_GRACE_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.close(code, reason);
}

/** The failure that a peer named as the reason of its close, if it did. */
export function failureOfClose(reason: Buffer): FailureCode | undefined {
  const text = reason.toString('utf8');
  return isFailureCode(text) ? text : undefined;
}

/** One frame of ours among neko's: a client that knows only neko passes over an event that it does not know. */
export function tell(client: WebSocket, failure: GatewayError): void {
  if (client.readyState !== client.OPEN) return;
  const { code, message, retryable } = failure;
  client.send(JSON.stringify({ event: 'gateway/error', payload: { code, message, retryable } }));
}

/** Resolves once the socket is closed; at once when it is. */
export function closedOf(socket: WebSocket): Promise<void> {
  if (socket.readyState === socket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}
