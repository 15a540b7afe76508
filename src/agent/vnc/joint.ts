import type { Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import { KEEPALIVE_MS, VNC_QUEUE_BYTES, VNC_STALL_MS } from '../../protocol/limits.ts';
import type { Failure } from '../../protocol/session.ts';
import type { ClientSocket } from '../../signaling/relay.ts';
import { closeWith } from '../../websocket/closing.ts';
import { freeChunk, sendBytes } from '../../websocket/direct.ts';
import { Flow } from '../../websocket/flow.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';
import { bytesOf } from '../../websocket/frames.ts';

/** Time that a VNC server has to hang up once its viewer is gone. */
const HANG_UP_MS = 2000;

/**
 * Joins a tunnel, open and paused, to a VNC server's paused socket, both its own from here on; resolves, never rejects, once both are closed, with
 * what ended it. Who ends first is heard to the end: what it sent before is delivered. The server's end is told by an empty frame, after
 * which the gateway closes; aborting the signal closes the tunnel with its reason.
 */
export async function joinVnc(
  { socket: tunnel, closed: tunnelClosed }: ClientSocket,
  server: Socket,
  signal: AbortSignal,
  { stallMs = VNC_STALL_MS }: { stallMs?: number | undefined } = {},
): Promise<Failure> {
  const end = Promise.withResolvers<Failure>();
  const fail = (failure: GatewayError): void => {
    toServer.end();
    // A paused socket would not see the answer to its close.
    tunnel.resume();
    closeWith(tunnel, failure.code);
    end.resolve({ code: failure.code, message: failure.message });
  };
  const onStall = (): void => fail(new GatewayError('VNC_LOST', 'the VNC server takes nothing any more'));
  const limits = { queueBytes: VNC_QUEUE_BYTES, stallMs };
  const toServer = new Flow(tunnel, { ...limits, onStall });
  const toViewer = new Flow(server, { ...limits, onStall: () => tunnel.terminate() });
  const endKeepAlive = keepAlive(tunnel, KEEPALIVE_MS, () => tunnel.terminate());
  const onAbort = (): void => {
    const reason: unknown = signal.reason;
    fail(reason instanceof GatewayError ? reason : new GatewayError('SHUTTING_DOWN', 'the tunnel was ended'));
  };

  tunnel.on('message', (frame) => {
    const bytes = bytesOf(frame);
    toServer.pass(bytes.length, (done) => void server.write(bytes, () => done()));
  });
  server.on('data', (chunk: Buffer) =>
    toViewer.pass(chunk.length, (done) => {
      sendBytes(tunnel, [chunk], chunk.length, () => {
        freeChunk(chunk);
        done();
      });
    }),
  );
  const serverClosed = new Promise<void>((resolve) => {
    if (server.closed) resolve();
    else server.once('close', () => resolve());
  }).then(() => {
    end.resolve({ code: 'VNC_LOST', message: 'the VNC server hung up' });
    // After all that it sent.
    if (tunnel.readyState === tunnel.OPEN) tunnel.send(Buffer.alloc(0));
  });
  void tunnelClosed.then(({ code, reason }) => {
    end.resolve({ code: reason === '' ? 'CLIENT_LOST' : reason.slice(0, 64), message: `closed with ${code}` });
    toViewer.end();
    // What the viewer sent last, the release of a key maybe, still goes out.
    server.resume().end();
    const timer = setTimeout(() => server.destroy(), HANG_UP_MS);
    void serverClosed.then(() => clearTimeout(timer));
  });
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  tunnel.resume();
  server.resume();

  await Promise.all([tunnelClosed, serverClosed]);
  endKeepAlive();
  toServer.end();
  signal.removeEventListener('abort', onAbort);
  return end.promise;
}
