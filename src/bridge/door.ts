import type { Agent } from 'node:http';
import { WebSocket } from 'ws';
import { GatewayError, isFailureCode, toGatewayError } from '../errors.ts';
import { Problem } from '../protocol/api.ts';
import { VNC_FRAME_MAX_BYTES } from '../protocol/limits.ts';

/** Time for the gateway's answer, and again for its agent's. */
export const JOIN_MS = 20_000;
/** A refusal is a few lines; the rest of a longer one is not kept. */
const PROBLEM_MAX_LENGTH = 16_384;

const Refusal = Problem.pick({ code: true, detail: true });

/** Where a session is joined by VNC: `/s/SESSION/vnc` of its gateway. */
export interface DoorAddress {
  /** ws: or wss:. */
  url: URL;
  token: string;
  /** Connects to the gateway in a way of its own. */
  agent?: Agent;
}

/**
 * Resolves with a WebSocket that is open and paused, and the caller's.
 * @throws GatewayError what the gateway answers, or VNC_FAILED where none answers; the signal's reason when that is aborted
 */
export async function openDoor({ url, token, agent }: DoorAddress, signal: AbortSignal): Promise<WebSocket> {
  const socket = new WebSocket(url, ['binary', `access.${token}`], {
    perMessageDeflate: false,
    maxPayload: VNC_FRAME_MAX_BYTES,
    ...(agent && { agent }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new GatewayError('VNC_FAILED', `the gateway did not answer within ${JOIN_MS} ms`)),
    JOIN_MS,
  );
  const onAbort = (): void => reject(toGatewayError(signal.reason));
  socket.once('open', () => {
    // What the gateway says at once waits for who is to hear it.
    socket.pause();
    resolve();
  });
  socket.on('error', (cause) =>
    reject(new GatewayError('VNC_FAILED', `the gateway can't be reached: ${cause.message}`, { cause })),
  );
  socket.once('unexpected-response', (request, response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      if (text.length < PROBLEM_MAX_LENGTH) text += part;
    });
    response.once('close', () => {
      reject(failureOfAnswer(response.statusCode ?? 0, text));
      request.destroy();
    });
  });
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    await promise;
    return socket;
  } catch (thrown) {
    socket.terminate();
    throw thrown;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function failureOfAnswer(status: number, text: string): GatewayError {
  try {
    const { code, detail } = Refusal.parse(JSON.parse(text));
    return new GatewayError(isFailureCode(code) ? code : 'VNC_FAILED', detail);
  } catch (cause) {
    return new GatewayError('VNC_FAILED', `what answers there is no gateway: HTTP ${status}`, { cause });
  }
}
