import { connect, type Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import { converse } from '../../rfb/converse.ts';
import { answerChallenge } from '../../rfb/password.ts';
import { loginToServer } from '../../rfb/server-side.ts';

/** Where a session's VNC server is reached from its host, and its password where it has one; neither leaves the host. */
export interface VncAddress {
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly password?: string;
}

/** From the connection to the end of its handshake; then it is given up with VNC_FAILED. */
const VNC_SERVER_MS = 5000;

/**
 * Connects to a VNC server and goes through its handshake, up to and with ClientInit. Resolves with a paused socket that brings ServerInit
 * first, and is the caller's; it may have ended already.
 * @throws GatewayError VNC_FAILED; the signal's reason when that is aborted
 */
export async function enterVncServer(
  { at, password }: VncAddress,
  signal: AbortSignal,
  { withinMs = VNC_SERVER_MS }: { withinMs?: number | undefined } = {},
): Promise<Socket> {
  const socket = connect({ ...at, noDelay: true });
  // Whoever reads it sees its end.
  socket.on('error', () => undefined);
  const answer = password === undefined ? undefined : (bytes: Uint8Array) => answerChallenge(password, bytes);
  try {
    await converse(socket, loginToServer({ answer }), {
      withinMs,
      signal,
      failure: (what, cause) => new GatewayError('VNC_FAILED', `the VNC server ${what}`, { cause }),
    });
    return socket;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
}
