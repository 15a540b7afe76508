import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket } from 'ws';
import { GatewayError } from '../errors.ts';
import { KEEPALIVE_MS } from '../protocol/limits.ts';
import { letClientIn, refuseClient, type KnownClient } from '../rfb/client-side.ts';
import { converse } from '../rfb/converse.ts';
import { loginToServer } from '../rfb/server-side.ts';
import { closedOf, closeSocket, CLOSE_NORMAL, failureOfClose } from '../websocket/closing.ts';
import { keepAlive } from '../websocket/keep-alive.ts';
import { openDoor, JOIN_MS, type DoorAddress } from './door.ts';

/** Time that a client has for its ClientInit. */
const CLIENT_MS = 10_000;
/** Time that either end has to take what was sent last, once the other is gone. */
const HANG_UP_MS = 2000;
const CLOSE_GOING_AWAY = 1001;

/**
 * Joins a session for a VNC client that waits for the result of its handshake, and tells it that; then passes bytes both ways. Resolves once all is
 * closed, the client's stream included, with what ended it; undefined when that was the client, or the signal.
 * @throws GatewayError why the session can't be joined; the client has been told, where its version of RFB has a place for it
 */
export async function bridge(
  stream: Duplex,
  client: KnownClient,
  door: DoorAddress,
  signal: AbortSignal,
): Promise<GatewayError | undefined> {
  await using owned = new AsyncDisposableStack();
  owned.defer(() => end(stream));
  try {
    const socket = await openDoor(door, signal);
    owned.defer(async () => {
      closeSocket(socket, CLOSE_NORMAL, '');
      await closedOf(socket);
    });
    return await join(stream, client, socket, signal);
  } catch (thrown) {
    if (thrown instanceof GatewayError) stream.write(refuseClient(client, thrown.message));
    throw thrown;
  }
}

async function join(
  stream: Duplex,
  client: KnownClient,
  socket: WebSocket,
  signal: AbortSignal,
): Promise<GatewayError | undefined> {
  let ending: GatewayError | undefined;
  const closed = closedOf(socket);
  socket.once('close', (code, reason) => {
    const name = failureOfClose(reason);
    if (name !== undefined) ending = new GatewayError(name, `the gateway ended the connection: ${name}`);
    else if (code !== CLOSE_NORMAL && code !== 1005)
      ending = new GatewayError('VNC_LOST', `the connection to the gateway was lost (close code ${code})`);
  });
  keepAlive(socket, KEEPALIVE_MS, () => socket.terminate());
  const session = createWebSocketStream(socket);
  // The socket's close says more.
  session.on('error', () => undefined);
  await converse(session, loginToServer({}), {
    withinMs: JOIN_MS,
    signal,
    failure: (what) => new GatewayError('VNC_FAILED', `the gateway ${what}`),
  }).catch(async (thrown: unknown) => {
    closeSocket(socket, CLOSE_NORMAL, '');
    session.resume();
    await closed;
    throw ending ?? thrown;
  });

  let isLeft = false;
  const leave = (): void => {
    isLeft = true;
    // What the client sent last, the release of a key maybe, still goes out; the rest that comes is read, for the close comes behind it.
    stream.unpipe(session);
    session.unpipe(stream).resume().end();
    const timer = setTimeout(() => socket.terminate(), HANG_UP_MS);
    void closed.then(() => clearTimeout(timer));
  };
  stream.once('close', leave);
  const onAbort = (): void => {
    isLeft = true;
    closeSocket(socket, CLOSE_GOING_AWAY, '');
  };
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  if (stream.destroyed) leave();
  try {
    await converse(stream, letClientIn(client), {
      withinMs: CLIENT_MS,
      signal,
      failure: (what) => new GatewayError('CLIENT_SILENT', `the VNC client ${what}`),
    });
    stream.pipe(session);
    session.pipe(stream);
    await closed;
  } catch {
    // It has left, and nobody is there to be told.
    leave();
    await closed;
  } finally {
    signal.removeEventListener('abort', onAbort);
    stream.off('close', leave);
  }
  return isLeft ? undefined : ending;
}

/** All that was written is delivered, if the client takes it in time. */
async function end(stream: Duplex): Promise<void> {
  if (stream.destroyed) return;
  const gone = once(stream, 'close').catch(() => undefined);
  const timer = setTimeout(() => stream.destroy(), HANG_UP_MS);
  stream.resume().end(() => stream.destroy());
  await gone;
  clearTimeout(timer);
}
