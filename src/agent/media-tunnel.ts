import { createSocket, type Socket } from 'node:dgram';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { Endpoint } from '../protocol/ice.ts';
import { DATAGRAM_MAX_BYTES, KEEPALIVE_MS, MEDIA_QUEUE_MAX_BYTES } from '../protocol/limits.ts';
import { closeSocket, CLOSE_NORMAL } from '../websocket/closing.ts';
import { keepAlive } from '../websocket/keep-alive.ts';

/**
 * Joins a tunnel to a streamer's UDP port: each binary message is one datagram, both ways. The streamer sees a viewer at a UDP port
 * of this host, so any streamer will do. Datagrams come from and go to that one port only (connect(2)). What would wait too
 * long is dropped whole, as a network does. Resolves once both ends are gone; `end` ends it.
 */
export async function joinToStreamer(
  tunnel: WebSocket,
  target: Endpoint,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<void> {
  const udp = createSocket('udp4');
  const closed = new Promise<void>((resolve) => {
    udp.once('close', () => resolve());
  });
  // A streamer that let go of its port refuses what still comes; its login ends or gets a new offer.
  udp.on('error', (error) => log.debug({ reason: error.message }, 'a datagram did not get to the streamer'));
  tunnel.on('error', () => tunnel.terminate());
  tunnel.once('close', () => udp.close());
  signal.addEventListener('abort', () => closeSocket(tunnel, CLOSE_NORMAL, ''), { once: true });
  keepAlive(tunnel, KEEPALIVE_MS, () => tunnel.terminate());
  udp.connect(target.port, target.address, (error?: Error) => {
    if (error) tunnel.terminate();
    else wire(tunnel, udp);
  });
  if (signal.aborted) tunnel.terminate();
  if (tunnel.readyState === tunnel.CLOSED) udp.close();
  await closed;
}

function wire(tunnel: WebSocket, udp: Socket): void {
  tunnel.on('message', (bytes, isBinary) => {
    if (!isBinary || !Buffer.isBuffer(bytes) || bytes.length === 0 || bytes.length > DATAGRAM_MAX_BYTES) return;
    if (udp.getSendQueueSize() > MEDIA_QUEUE_MAX_BYTES) return;
    // With a callback, since a failed send would else be thrown by some later call.
    udp.send(bytes, () => undefined);
  });
  udp.on('message', (datagram) => {
    if (tunnel.readyState !== tunnel.OPEN || tunnel.bufferedAmount > MEDIA_QUEUE_MAX_BYTES) return;
    tunnel.send(datagram, { binary: true });
  });
  tunnel.resume();
}
