import type { WebSocket } from 'ws';
import { request } from 'undici';
import { GatewayError, toGatewayError } from '../errors.ts';
import { KEEPALIVE_MS } from '../protocol/limits.ts';
import { decodeHead, PictureHead, RequestHead, type ResponseHead } from '../protocol/http-tunnel.ts';
import { closedOf, closeWith } from '../websocket/closing.ts';
import { textOf } from '../websocket/frames.ts';
import { sendMessage } from '../websocket/http-message.ts';
import { keepAlive } from '../websocket/keep-alive.ts';
import { passExchange, type Exchange } from './http-exchange.ts';

/** neko answers on the same host; an upload that it works on takes longer. */
const ANSWER_MS = 30_000;
/** Well below what the gateway takes in one frame (SIGNALING_FRAME_MAX_BYTES). */
const FRAME_BYTES = 256 * 1024;
/**
 * One HTTP exchange of a client with its session's neko, as the login that has this token; closes the tunnel. Never rejects.
 * Resolves with neko's status, or undefined when it gave none.
 */
export function exchangeWithNeko(
  tunnel: WebSocket,
  neko: { baseUrl: string; token: string },
): Promise<number | undefined> {
  const exchange: Exchange = async (encoded, body, signal) => {
    const { method, path, headers } = decodeHead(RequestHead, encoded);
    const hasBody = method !== 'GET' && method !== 'HEAD';
    return await request(new URL(path, neko.baseUrl), {
      method,
      headers: { ...headers, authorization: `Bearer ${neko.token}` },
      body: hasBody ? body : null,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
      signal,
    }).catch((cause: unknown) => {
      throw new GatewayError('NEKO_UNREACHABLE', `neko does not answer ${method} ${path.split('?', 1)[0]}`, { cause });
    });
  };
  return passExchange(tunnel, exchange, 'NEKO_UNREACHABLE');
}

/** Looks at the screen as often as it is asked to on this tunnel, until that is closed, which a failure does. Never rejects. */
export async function showScreen(tunnel: WebSocket, take: (quality: number) => Promise<Buffer>): Promise<void> {
  const answer = async (head: string): Promise<void> => {
    const jpeg = await take(decodeHead(PictureHead, head).quality);
    const headers = { 'content-type': 'image/jpeg', 'content-length': String(jpeg.length) };
    await sendMessage(tunnel, { status: 200, headers } satisfies ResponseHead, framesOf(jpeg));
  };
  tunnel.on('message', (frame) => {
    answer(textOf(frame)).catch((thrown: unknown) => closeWith(tunnel, toGatewayError(thrown).code));
  });
  keepAlive(tunnel, KEEPALIVE_MS, () => tunnel.terminate());
  tunnel.resume();
  await closedOf(tunnel);
}

/** A picture may be longer than one frame may. */
function* framesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) yield bytes.subarray(at, at + FRAME_BYTES);
}
