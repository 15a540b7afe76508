import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { WebSocket } from 'ws';
import { GatewayError, messageOf, toGatewayError, type FailureCode } from '../errors.ts';
import type { ResponseHead } from '../protocol/http-tunnel.ts';
import { KEEPALIVE_MS } from '../protocol/limits.ts';
import { closedOf, closeSocket, closeWith, CLOSE_NORMAL } from '../websocket/closing.ts';
import { receiveMessage, sendMessage } from '../websocket/http-message.ts';
import { keepAlive } from '../websocket/keep-alive.ts';

/** What a client may be told of an answer: cookies and CORS rules of who gave it stay here. */
const ANSWER_HEADERS = [
  'content-type',
  'content-length',
  'content-disposition',
  'cache-control',
  'last-modified',
  'etag',
];

/** Makes the call that a head and a body ask for; the signal is aborted when nobody waits for its answer any more. */
export type Exchange = (head: string, body: Readable, signal: AbortSignal) => Promise<Dispatcher.ResponseData>;

/**
 * Passes one HTTP exchange of a client on, as src/protocol/http-tunnel.ts has it; closes the tunnel. Never rejects.
 * Resolves with the answer's status, or undefined when it did not come whole; `broken` is what one that breaks off fails as.
 */
export async function passExchange(
  tunnel: WebSocket,
  exchange: Exchange,
  broken: FailureCode,
): Promise<number | undefined> {
  const gone = new AbortController();
  const failure = (): GatewayError => new GatewayError('CLIENT_SILENT', 'the gateway gave up the request');
  void closedOf(tunnel).then(() => gone.abort(failure()));
  // Its pings tell the gateway that we live while we read nothing of a body, for want of who takes it.
  keepAlive(tunnel, KEEPALIVE_MS, () => tunnel.terminate());
  try {
    const { head, body } = await receiveMessage(tunnel, failure);
    const answer = await exchange(head, body, gone.signal);
    const response: ResponseHead = { status: answer.statusCode, headers: {} };
    for (const name of ANSWER_HEADERS) {
      const value = answer.headers[name];
      if (typeof value === 'string') response.headers[name] = value;
    }
    await sendMessage(tunnel, response, wholeOf(answer.body, broken));
    closeSocket(tunnel, CLOSE_NORMAL, '');
    return answer.statusCode;
  } catch (thrown) {
    closeWith(tunnel, toGatewayError(thrown).code);
    return undefined;
  }
}

async function* wholeOf(body: AsyncIterable<Uint8Array>, broken: FailureCode): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new GatewayError(broken, `the answer broke off: ${messageOf(cause)}`, { cause });
  }
}
