import { Transform, type Readable } from 'node:stream';
import type { WebSocket } from 'ws';
import { GatewayError, isFailureCode } from '../../errors.ts';
import { decodeHead, ResponseHead } from '../../protocol/http-tunnel.ts';
import { KEEPALIVE_MS } from '../../protocol/limits.ts';
import { receiveMessage, sendMessage } from '../../websocket/http-message.ts';
import { keepAlive } from '../../websocket/keep-alive.ts';

export interface ExchangeRequest {
  head: object;
  body: Readable;
  /** Of the body, whatever the request said of its length; a longer one fails as MESSAGE_TOO_BIG. */
  maxBytes: number;
  /** Ends the exchange; the answer's body breaks. */
  signal: AbortSignal;
}

/** One HTTP exchange by a tunnel, which is its own from here on. Its answer's body is the caller's. @throws GatewayError */
export async function exchangeByTunnel(
  tunnel: WebSocket,
  { head, body, maxBytes, signal }: ExchangeRequest,
): Promise<ResponseHead & { body: Readable }> {
  signal.addEventListener('abort', () => tunnel.terminate());
  if (signal.aborted) tunnel.terminate();
  keepAlive(tunnel, KEEPALIVE_MS, () => tunnel.terminate());
  const sending = sendMessage(tunnel, head, body.pipe(limitOf(maxBytes)));
  try {
    const answer = await Promise.race([
      receiveMessage(tunnel, failureOfTunnel),
      // A body that is refused ends the exchange; one that was sent doesn't answer it. A tunnel that takes none is being closed, and says why.
      sending.then(never, (thrown: unknown) => (thrown instanceof GatewayError ? Promise.reject(thrown) : never())),
    ]);
    return { ...decodeHead(ResponseHead, answer.head), body: answer.body };
  } catch (error) {
    tunnel.terminate();
    throw error;
  }
}

/** What a tunnel that closed before its answer means. */
export function failureOfTunnel(_code: number, reason: Buffer): GatewayError {
  const name = reason.toString('utf8');
  if (isFailureCode(name)) return new GatewayError(name, `the agent could not do this: ${name}`);
  return new GatewayError('AGENT_OFFLINE', "the agent's connection was lost before the answer came");
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

function limitOf(maxBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= maxBytes) done(null, chunk);
      else done(new GatewayError('MESSAGE_TOO_BIG', `a body may have ${maxBytes} bytes`));
    },
  });
}
