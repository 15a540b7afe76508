import { Client, errors, request } from 'undici';
import type { WebSocket } from 'ws';
import type { ToolsAddress } from '../desktop/tools/service.ts';
import { GatewayError, messageOf } from '../errors.ts';
import { joinHostPort } from '../net/address.ts';
import { decodeHead } from '../protocol/http-tunnel.ts';
import { ToolHead } from '../protocol/tools.ts';
import { passExchange, type Exchange } from './http-exchange.ts';

/** From the last of the request to the answer's first byte: a program that is waited for, a recording that is brought to its end. */
const ANSWER_MS = 120_000;
/** Between two pieces of a body; whoever takes a file may be slow, and the gateway ends it when they are gone. */
const PIECE_MS = 120_000;
/** What tells that nobody listens at a desktop's socket: it is of a version without tools. */
const NOBODY = ['ENOENT', 'ECONNREFUSED'];

/** One call of a client to its session's desktop; closes the tunnel. Never rejects. */
export async function exchangeWithTools(tunnel: WebSocket, address: ToolsAddress): Promise<void> {
  const isSocket = 'path' in address;
  const origin = isSocket ? 'http://desktop' : `http://${joinHostPort(address.host, address.port)}`;
  const client = new Client(origin, isSocket ? { socketPath: address.path } : {});
  const exchange: Exchange = (head, body, signal) =>
    request(new URL(decodeHead(ToolHead, head).path, origin), {
      method: 'POST',
      headers: isSocket ? {} : { authorization: `Bearer ${address.secret}` },
      body,
      dispatcher: client,
      headersTimeout: ANSWER_MS,
      bodyTimeout: PIECE_MS,
      signal,
    }).catch((cause: unknown) => {
      throw failureOf(cause);
    });
  try {
    await passExchange(tunnel, exchange, 'TOOLS_FAILED');
  } finally {
    await client.destroy();
  }
}

function failureOf(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (cause instanceof Error && 'code' in cause && NOBODY.includes(String(cause.code)))
    return new GatewayError('TOOLS_NOT_AVAILABLE', "this session's desktop is of a version without tools", { cause });
  const what = cause instanceof errors.HeadersTimeoutError ? `gave no answer in ${ANSWER_MS} ms` : messageOf(cause);
  return new GatewayError('TOOLS_FAILED', `the desktop's tools: ${what}`, { cause });
}
