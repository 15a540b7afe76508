import { connect, type Socket } from 'node:net';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { Dialogue } from '../../rfb/dialogue.ts';
import { answerChallenge } from '../../rfb/password.ts';
import { loginToServer } from '../../rfb/server-side.ts';

/** Where a session's VNC server is reached from its host, and its password where it has one; neither leaves the host. */
export interface VncAddress {
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly password?: string;
}

/** From the connection to the end of its handshake; then it is given up with VNC_FAILED. */
const VNC_SERVER_MS = 5000;

const NOTHING = new Uint8Array(0);

/**
 * Connects to a VNC server and goes through its handshake, up to and with ClientInit. Resolves with a paused socket that brings ServerInit
 * first, and is the caller's; it may have ended already.
 * @throws GatewayError VNC_FAILED; the signal's reason when that is aborted
 */
export async function enterVncServer({ at, password }: VncAddress, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ ...at, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(toGatewayError(signal.reason));
  const timer = setTimeout(
    () => reject(new GatewayError('VNC_FAILED', `the VNC server did not let us in within ${VNC_SERVER_MS} ms`)),
    VNC_SERVER_MS,
  );
  const onData = (chunk: Buffer): void => {
    try {
      const end = dialogue.push(chunk);
      if (!end) return;
      socket.pause().off('data', onData);
      if (end.rest.length > 0) socket.unshift(end.rest);
      resolve();
    } catch (thrown) {
      reject(toGatewayError(thrown));
    }
  };
  const dialogue = new Dialogue(
    loginToServer({ answer: password === undefined ? undefined : (bytes) => answerChallenge(password, bytes) }),
    (bytes) => socket.write(bytes),
  );
  socket.on('error', (cause) =>
    reject(new GatewayError('VNC_FAILED', `the VNC server can't be reached: ${cause.message}`, { cause })),
  );
  const onEnd = (): void => reject(new GatewayError('VNC_FAILED', 'the VNC server hung up in its handshake'));
  socket.once('end', onEnd).on('data', onData);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    dialogue.push(NOTHING);
    await promise;
    return socket;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    socket.off('end', onEnd);
  }
}
