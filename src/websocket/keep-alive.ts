import type { WebSocket } from 'ws';
import { takenBytes } from './shunt.ts';

/**
 * Pings the peer every `intervalMs` and calls `onSilent` once when it has been silent for two of them: TCP alone takes a
 * quarter of an hour to notice a peer that is gone, and proxies cut idle connections after a minute.
 * Ends with the socket; returns what ends it earlier.
 */
export function keepAlive(socket: WebSocket, intervalMs: number, onSilent: () => void): () => void {
  let heard = true;
  let taken = 0;
  let missed = 0;
  const hear = (): void => {
    heard = true;
  };
  const timer = setInterval(() => {
    // On a slow link its pongs stand behind what it sends.
    const hasSent = takenBytes(socket) !== taken;
    // Nobody listens to one that is paused; whoever paused it limits how long.
    missed = heard || hasSent || socket.isPaused ? 0 : missed + 1;
    heard = false;
    taken = takenBytes(socket);
    if (missed < 2) socket.ping();
    else {
      end();
      onSilent();
    }
  }, intervalMs);
  const end = (): void => {
    clearInterval(timer);
    socket.off('message', hear).off('ping', hear).off('pong', hear).off('close', end);
  };
  socket.on('message', hear).on('ping', hear).on('pong', hear).on('close', end);
  return end;
}
