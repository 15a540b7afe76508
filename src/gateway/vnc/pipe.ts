import type { WebSocket } from 'ws';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { VNC_QUEUE_BYTES } from '../../protocol/limits.ts';
import type { Role } from '../../protocol/session.ts';
import { ClientFilter } from '../../rfb/client-filter.ts';
import { welcomeClient } from '../../rfb/client-side.ts';
import { Dialogue } from '../../rfb/dialogue.ts';
import { sendBytes } from '../../websocket/direct.ts';
import { Flow } from '../../websocket/flow.ts';
import { bytesOf } from '../../websocket/frames.ts';
import { takeBinary, type TakeBytes } from '../../websocket/shunt.ts';
import type { Pipe } from '../logins/pipe.ts';
import type { Metrics } from '../metrics.ts';

export interface VncPipeOptions {
  role: Role;
  /** Time that a client has for its handshake, and for the next bytes of a message that it began; then it is CLIENT_SILENT. */
  patienceMs: number;
  /** Time that either end may leave all that waits for it. */
  stallMs: number;
  metrics: Pick<Metrics, 'vncBytes'>;
}

const NOTHING = new Uint8Array(0);

/**
 * Greets a VNC client, then passes bytes both ways: the desktop's as they are, the client's as its role has them. Both sockets come paused. A
 * slow end slows the other; one that takes nothing any more ends both. `onFailure` is called at most once.
 */
export function pipeVnc(
  client: WebSocket,
  tunnel: WebSocket,
  { role, patienceMs, stallMs, metrics }: VncPipeOptions,
  onFailure: (failure: GatewayError) => void,
): Pipe {
  const limits = { queueBytes: VNC_QUEUE_BYTES, stallMs };
  const toDesktop = new Flow(client, {
    ...limits,
    onStall: () => fail(new GatewayError('VNC_LOST', "the desktop's VNC server takes nothing any more")),
  });
  const toClient = new Flow(tunnel, {
    ...limits,
    onStall: () => fail(new GatewayError('CLIENT_SLOW', 'the client takes nothing of what waits for it')),
  });
  const toDesktopBytes = metrics.vncBytes.labels({ direction: 'to_desktop' });
  const toClientBytes = metrics.vncBytes.labels({ direction: 'to_client' });
  const filter = new ClientFilter(role);
  let greeting: Dialogue<void> | undefined = new Dialogue(welcomeClient(), (bytes) => client.send(bytes));
  let isEnded = false;
  let patience: NodeJS.Timeout | undefined;

  const end = (): void => {
    isEnded = true;
    clearTimeout(patience);
    toDesktop.end();
    toClient.end();
  };
  const fail = (failure: GatewayError): void => {
    if (isEnded) return;
    end();
    onFailure(failure);
  };
  const expectMore = (isExpected: boolean): void => {
    clearTimeout(patience);
    if (!isExpected || isEnded) return;
    patience = setTimeout(() => {
      // It isn't heard while the desktop is slow.
      if (client.isPaused) expectMore(true);
      else
        fail(new GatewayError('CLIENT_SILENT', `the client stopped in the middle of a message for ${patienceMs} ms`));
    }, patienceMs);
  };
  const greet = (chunk: Uint8Array): Uint8Array => {
    const greeted = greeting?.push(chunk);
    if (!greeted) return NOTHING;
    greeting = undefined;
    tunnel.resume();
    return greeted.rest;
  };

  client.on('message', (frame, isBinary) => {
    if (isEnded) return;
    try {
      if (!isBinary) throw new GatewayError('BAD_FRAME', 'VNC frames are binary; this one was text');
      const chunk = greeting ? greet(bytesOf(frame)) : bytesOf(frame);
      for (const part of filter.push(chunk)) {
        toDesktopBytes.inc(part.length);
        toDesktop.pass(part.length, (done) => sendBytes(tunnel, [part], part.length, done));
      }
      expectMore(greeting !== undefined || filter.isMidMessage);
    } catch (thrown) {
      fail(toGatewayError(thrown));
    }
  });

  const passToClient: TakeBytes = (parts, length, release) => {
    if (isEnded) return;
    toClientBytes.inc(length);
    toClient.pass(length, (done) => {
      sendBytes(client, parts, length, () => {
        release();
        done();
      });
    });
  };
  takeBinary(tunnel, passToClient);
  tunnel.on('message', (frame, isBinary) => {
    if (isEnded) return;
    const bytes = bytesOf(frame);
    if (!isBinary) fail(new GatewayError('BAD_FRAME', 'the agent sent a text frame on a VNC tunnel'));
    else if (bytes.length > 0) passToClient([bytes], bytes.length, () => undefined);
    // The VNC server's end: the client gets the rest first.
    else void toClient.emptied().then(() => fail(new GatewayError('VNC_LOST', "the desktop's VNC server hung up")));
  });

  greet(NOTHING);
  expectMore(true);
  client.resume();
  return {
    // The stream carries RFB alone.
    toldByAgent: true,
    get bytes() {
      return { toClient: toClient.bytes, toDesktop: toDesktop.bytes };
    },
    end,
  };
}
