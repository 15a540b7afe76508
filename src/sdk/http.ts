import type { z } from 'zod';
import { Problem } from '../protocol/api.ts';
import { NekogateError } from './errors.ts';

const TIMEOUT_MS = 30_000;
/** An answer; a longer one is ANSWER_INVALID. A hundred actions may each have a picture. */
const ANSWER_MAX_BYTES = 256 * 1024 * 1024;

export interface CallOptions {
  /** Ends the call; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** How long the call may take; then it rejects with TIMEOUT. */
  timeoutMs?: number;
}

interface Address {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the gateway's address, without a slash before it. */
  path: string;
  query?: Record<string, string | number | undefined>;
}

interface ApiRequest<Reply> extends Address {
  body?: unknown;
  reply: z.ZodType<Reply>;
}

export type CallApi = <Reply>(request: ApiRequest<Reply>, options?: CallOptions) => Promise<Reply>;

/** What goes up as bytes. */
export type Content = string | Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>;

export interface Caller {
  callApi: CallApi;
  /** Resolves once the answer begins, which is all that `timeoutMs` is for. */
  download: (request: Address, options?: CallOptions) => Promise<ReadableStream<Uint8Array>>;
  upload: <Reply>(
    request: Address & { content: Content; reply: z.ZodType<Reply> },
    options?: CallOptions,
  ) => Promise<Reply>;
}

export interface Connection {
  /** Where the gateway is; a path in it is kept. */
  url: string | URL;
  /** The administrator's, or that of an access to one session. */
  token: string;
}

/** @throws NekogateError BAD_REQUEST for an address that can't be called */
export function createCaller({ url, token }: Connection): Caller {
  const base = readBase(url);
  /** Sends a request, and has the answer read while the time runs. */
  const send = async <T>(
    request: Address,
    given: { body: Content; type: string } | undefined,
    { signal, timeoutMs = TIMEOUT_MS }: CallOptions,
    read: (response: Response) => Promise<T>,
  ): Promise<T> => {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      const response = await fetch(addressOf(base, request), {
        method: request.method,
        headers: { authorization: `Bearer ${token}`, ...(given && { 'content-type': given.type }) },
        ...(given && { body: given.body }),
        // Fetch asks for this word beside a stream.
        ...(given?.body instanceof ReadableStream && { duplex: 'half' as const }),
        // Nobody else is to get the token.
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal,
      });
      if (!response.ok) throw problemOf(response.status, await readText(response));
      return await read(response);
    } catch (thrown) {
      signal?.throwIfAborted();
      if (thrown instanceof NekogateError) throw thrown;
      if (timeout.signal.aborted)
        throw new NekogateError('TIMEOUT', `${request.method} ${request.path} took longer than ${timeoutMs} ms`, {
          retryable: true,
        });
      throw new NekogateError('GATEWAY_UNREACHABLE', `the gateway at ${base.origin} does not answer`, {
        retryable: true,
        cause: thrown,
      });
    } finally {
      clearTimeout(timer);
    }
  };
  const readAs =
    <Reply>(schema: z.ZodType<Reply>) =>
    async (response: Response): Promise<Reply> =>
      readReply(schema, response.status, await readText(response));
  return {
    callApi: (request, options = {}) => {
      const { body, reply } = request;
      const given = body === undefined ? undefined : { body: JSON.stringify(body), type: 'application/json' };
      return send(request, given, options, readAs(reply));
    },
    download: (request, options = {}) =>
      send(request, undefined, options, async ({ body }) => body ?? new Blob([]).stream()),
    upload: (request, options = {}) => {
      const given = { body: request.content, type: 'application/octet-stream' };
      return send(request, given, options, readAs(request.reply));
    },
  };
}

function readBase(url: string | URL): URL {
  const base = URL.canParse(String(url)) ? new URL(url) : undefined;
  if (!base || !['http:', 'https:'].includes(base.protocol))
    throw new NekogateError('BAD_REQUEST', "a gateway's address is like https://gateway.example");
  if (base.username !== '' || base.password !== '')
    throw new NekogateError('BAD_REQUEST', "a gateway's address holds no name and password; the token is all");
  base.search = '';
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

function addressOf(base: URL, { path, query = {} }: Address): URL {
  const address = new URL(path, base);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) address.searchParams.set(name, String(value));
  return address;
}

async function readText(response: Response): Promise<string> {
  if (!response.body) return '';
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(response.body)) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_MAX_BYTES)
      throw new NekogateError('ANSWER_INVALID', `an answer longer than ${ANSWER_MAX_BYTES} bytes`, {
        status: response.status,
      });
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  return parts.join('') + decoder.decode();
}

/** By a reader, for not all browsers iterate streams. Leaving early ends the stream. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

function problemOf(status: number, text: string): NekogateError {
  const problem = Problem.safeParse(parseJson(text)).data;
  // A proxy before the gateway may speak in pages of its own.
  if (!problem) return new NekogateError('ANSWER_INVALID', `HTTP ${status}, not from a gateway`, { status });
  const { code, detail, retryable, requestId } = problem;
  return new NekogateError(code, detail, { retryable, status, requestId });
}

function readReply<Reply>(schema: z.ZodType<Reply>, status: number, text: string): Reply {
  const reply = schema.safeParse(text === '' ? undefined : parseJson(text));
  if (reply.success) return reply.data;
  // Places only: what is wrong there may be a secret.
  const places = reply.error.issues.map(({ path }) => path.join('.') || 'all of it').join(', ');
  throw new NekogateError('ANSWER_INVALID', `not an answer of this gateway's version: ${places}`, { status });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told as what it is not by who wanted it.
    return undefined;
  }
}
