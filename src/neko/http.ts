import { request } from 'undici';
import { GatewayError } from '../errors.ts';
import { readBytes } from '../net/read-bytes.ts';

/** neko answers on the same host, so longer than this means that it hangs: NEKO_UNREACHABLE. */
const REQUEST_MS = 5000;
/** A JPEG of the largest screen at full quality is under 32 MiB; a longer answer is cut off: NEKO_REFUSED. */
const RESPONSE_MAX_BYTES = 32 * 1024 * 1024;
/** Characters of neko's own error text that go into ours. */
const ERROR_TEXT_MAX_CHARS = 300;

export interface NekoRequest {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  token?: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Leaves the connection for the next such call, which it makes faster; that one may meet it half dead after a restart. */
  isRepeated?: boolean;
}

/**
 * One call of neko's HTTP API. Each has a connection of its own, unless it is repeated, so that none kept alive is met half dead after a restart.
 * @throws GatewayError NEKO_UNREACHABLE when there is no answer, NEKO_REFUSED when it is an error or too long
 */
export async function callNeko(baseUrl: string, call: NekoRequest): Promise<Buffer> {
  const what = `${call.method} ${call.path.replace(/\?.*/, '')}`;
  const timeout = AbortSignal.timeout(REQUEST_MS);
  try {
    const response = await request(new URL(call.path, baseUrl), {
      method: call.method,
      headers: {
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: call.signal ? AbortSignal.any([call.signal, timeout]) : timeout,
      reset: call.isRepeated !== true,
    });
    const body = await readLimited(response.body, what);
    if (response.statusCode >= 300)
      throw new GatewayError('NEKO_REFUSED', `neko answered ${what} with ${response.statusCode}: ${errorText(body)}`);
    return body;
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    call.signal?.throwIfAborted();
    const why = timeout.aborted ? `no answer in ${REQUEST_MS} ms` : String(cause);
    throw new GatewayError('NEKO_UNREACHABLE', `neko at ${baseUrl} did not answer ${what}: ${why}`, { cause });
  }
}

function readLimited(body: AsyncIterable<Buffer>, what: string): Promise<Buffer> {
  return readBytes(
    body,
    RESPONSE_MAX_BYTES,
    () => new GatewayError('NEKO_REFUSED', `neko's answer to ${what} is longer than ${RESPONSE_MAX_BYTES} bytes`),
  );
}

/** neko's errors are `{"code": 403, "message": "…"}`. */
function errorText(body: Buffer): string {
  const text = body.toString('utf8').slice(0, ERROR_TEXT_MAX_CHARS);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message);
  } catch {
    // Not JSON: a proxy's or a crashing server's words.
  }
  return text.trim();
}
