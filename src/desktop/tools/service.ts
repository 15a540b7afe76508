import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { readBytes } from '../../net/read-bytes.ts';
import { contractOf, isToolName, TOOL_INPUT_MAX_BYTES } from '../../protocol/tools.ts';
import { Toolbox } from './toolbox.ts';
import type { BytesAnswer, ToolSite } from './tool.ts';

/** Where a desktop's tools are reached: by a socket that only its user can open, or in a container by TCP to who shows the secret. */
export type ToolsAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly secret: string };

/** A path with its input, and the few headers beside it; more is refused by Node. */
const HEAD_MAX_BYTES = 64 * 1024;
/** Calls under way at once; one more is refused with TOO_MANY_REQUESTS. */
const CALLS_MAX = 32;

/** The HTTP service of a desktop's tools, as src/protocol/tools.ts has it. */
export class ToolsService implements AsyncDisposable {
  readonly #server: Server;
  readonly #tools: Toolbox;
  readonly #secret: string | undefined;
  readonly #site: ToolSite;
  #calls = 0;
  #stopping: Promise<void> | undefined;

  /** Resolves once it listens. @throws when it can't */
  static async start(address: ToolsAddress, site: ToolSite): Promise<ToolsService> {
    const service = new ToolsService(address, site);
    await listen(service.#server, address);
    return service;
  }

  private constructor(address: ToolsAddress, site: ToolSite) {
    this.#site = site;
    this.#secret = 'secret' in address ? address.secret : undefined;
    this.#tools = new Toolbox(site);
    // A file may take its time: who asks limits that.
    const options = { maxHeaderSize: HEAD_MAX_BYTES, requestTimeout: 0 };
    this.#server = createServer(options, (request, response) => {
      void this.#serve(request, response);
    });
  }

  /** Cuts what is under way; resolves once nothing of it is left. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
    await this.#tools.close();
  }

  /** Never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort(new GatewayError('CLIENT_SILENT', 'nobody waits for this any more')));
    try {
      this.#authorize(request);
      if (this.#calls >= CALLS_MAX)
        throw new GatewayError('TOO_MANY_REQUESTS', `${CALLS_MAX} calls are under way at this desktop; await them`);
      this.#calls += 1;
      try {
        await this.#run(request, response, gone.signal);
      } finally {
        this.#calls -= 1;
      }
    } catch (thrown) {
      if (gone.signal.aborted) return;
      const failure = toGatewayError(thrown);
      if (failure.code === 'INTERNAL') this.#site.log.error({ err: failure.cause ?? failure }, 'a tool failed');
      refuse(response, failure);
    }
  }

  #authorize({ headers }: IncomingMessage): void {
    if (this.#secret === undefined) return;
    const isRight = timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${this.#secret}`));
    if (!isRight) throw new GatewayError('UNAUTHENTICATED', "this is for the session's agent");
  }

  async #run(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://desktop');
    const name = pathname.slice(1);
    if (request.method !== 'POST' || !isToolName(name))
      throw new GatewayError('TOOLS_NOT_AVAILABLE', `this desktop has no tool ${name.slice(0, 64)}`);
    const text = contractOf(name).body === 'bytes' ? (searchParams.get('input') ?? '') : await readInput(request);
    const answer = await this.#tools.call(name, parseJson(text), { body: request, signal });
    if (isBytes(answer)) await sendBytes(response, answer, signal);
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  }
}

function isBytes(answer: object): answer is BytesAnswer {
  return 'body' in answer && answer.body instanceof Readable;
}

function listen(server: Server, address: ToolsAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen('path' in address ? { path: address.path } : { host: address.host, port: address.port }, () => {
      server.off('error', reject);
      // The folder around it is this user's alone already.
      if ('path' in address) chmodSync(address.path, 0o600);
      resolve();
    });
  });
}

async function readInput(request: IncomingMessage): Promise<string> {
  const bytes = await readBytes(
    request,
    TOOL_INPUT_MAX_BYTES,
    () => new GatewayError('MESSAGE_TOO_BIG', `a tool's input may have ${TOOL_INPUT_MAX_BYTES} bytes`),
  );
  return bytes.toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('BAD_REQUEST', "a tool's input is not JSON", { cause });
  }
}

async function sendBytes(response: ServerResponse, answer: BytesAnswer, signal: AbortSignal): Promise<void> {
  response.setHeader('content-type', answer.type);
  if (answer.length !== undefined) response.setHeader('content-length', answer.length);
  await pipeline(answer.body, response, { signal });
}

function refuse(response: ServerResponse, { status, code, message }: GatewayError): void {
  // Half an answer can only be broken off.
  if (response.headersSent) response.destroy();
  // What is left of the body is not read.
  else
    response
      .writeHead(status, { 'content-type': 'application/json', connection: 'close' })
      .end(JSON.stringify({ code, message }));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
