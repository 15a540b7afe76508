import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { passBody, readBody, requestFraming, responseFraming, type Framing } from '../http/body.ts';
import { parseCall, type Call } from '../http/call.ts';
import {
  editHead,
  hasWord,
  parseRequestHead,
  parseResponseHead,
  readHead,
  type RequestHead,
  type ResponseHead,
} from '../http/head.ts';
import type { Lane } from '../remote.ts';
import { ByteReader } from '../streams/byte-reader.ts';
import { pump, reset, send, splice, type Line } from '../streams/splice.ts';
import { laneOf, refuseBrowsers, type Plan, type Planner } from './plan.ts';

export interface ConnectionDeps {
  dialDocker: (lane: Lane) => Promise<Duplex>;
  planner: Planner;
  /** On TCP, where web pages could knock. */
  isGuarded: boolean;
  /** What the daemon's calls are answered instead, for a client that is one too many. */
  refusal: GatewayError | undefined;
  log: Logger;
}

/** Of what is read whole: creates, and answers to inspect and list. Ten thousand containers list in fewer. */
const WHOLE_MAX_BYTES = 64 * 1024 * 1024;
/** How long a client may take to hang up after it was told the last. */
const LINGER_MS = 2000;

/**
 * Serves one client: request by request, as the daemon itself does, each to the daemon and its answer back. Whatever isn't plain HTTP/1, and all that
 * follows an upgrade, is carried as bytes. Resolves when the connection is over; never rejects.
 */
export async function serveConnection(deps: ConnectionDeps, stream: Duplex): Promise<void> {
  await new ClientConnection(deps, stream).serve();
}

class ClientConnection {
  readonly #deps: ConnectionDeps;
  readonly #client: Line;
  readonly #upstreams = new Map<Lane, Line>();

  constructor(deps: ConnectionDeps, stream: Duplex) {
    this.#deps = deps;
    this.#client = { stream, reader: new ByteReader(stream) };
  }

  async serve(): Promise<void> {
    try {
      while (await this.#serveNext());
      await this.#hangUp();
    } catch (error) {
      this.#deps.log.debug({ err: error }, 'a connection broke');
      this.#break();
    }
  }

  /** @returns whether another request may follow */
  async #serveNext(): Promise<boolean> {
    const came = await readHead(this.#client.reader);
    if (came.kind === 'end') return false;
    const request = came.kind === 'head' ? parseRequestHead(came.bytes) : undefined;
    if (request === undefined || requestFraming(request).kind === 'unframed') {
      if (this.#deps.refusal) return this.#refuse(this.#deps.refusal);
      return this.#passUnread(came.kind === 'head' ? came.bytes : Buffer.alloc(0));
    }
    const refusal = this.#deps.isGuarded ? refuseBrowsers(request) : undefined;
    if (refusal !== undefined) return this.#refuse(new GatewayError('FORBIDDEN', refusal));
    const call = parseCall(request);
    const own = call && this.#deps.planner.answer(call);
    if (own) {
      const { status, body } = await own;
      await this.#answer(status, body);
      return false;
    }
    return this.#deps.refusal ? this.#refuse(this.#deps.refusal) : this.#pass(request, call);
  }

  /** Not understood, so not touched: HTTP/2 by prior knowledge, and whatever comes next. */
  async #passUnread(head: Buffer): Promise<boolean> {
    // A browser can't speak it, but can be made to send what looks like nothing in particular.
    if (this.#deps.isGuarded && !head.toString('latin1').startsWith('PRI * HTTP/2.0\r\n'))
      return this.#refuse(new GatewayError('BAD_REQUEST', 'this is no HTTP that the docker proxy understands'));
    this.#client.reader.unread(head);
    const upstream = await this.#dial('bulk').catch((error: unknown) => toGatewayError(error));
    if (upstream instanceof GatewayError) return this.#refuse(upstream);
    this.#upstreams.delete('bulk');
    await splice(this.#client, upstream);
    return false;
  }

  async #pass(request: RequestHead, call: Call | undefined): Promise<boolean> {
    const plan = call && this.#deps.planner.plan(call);
    let upstream: Line;
    let body: Buffer | undefined;
    try {
      // What was sent may have an effect, so only before that an answer of ours says that it had none.
      if (plan?.editRequest) body = await plan.editRequest(await this.#readRequest(request));
      await plan?.before?.();
      upstream = await this.#dial(laneOf(call));
    } catch (error) {
      plan?.lost?.();
      return this.#refuse(toGatewayError(error));
    }
    try {
      return await this.#exchange(request, upstream, { plan, body });
    } catch (error) {
      plan?.lost?.();
      throw error;
    }
  }

  async #readRequest(request: RequestHead): Promise<Buffer> {
    if (hasWord(request, 'expect', '100-continue')) await send(this.#client.stream, 'HTTP/1.1 100 Continue\r\n\r\n');
    return readBody(this.#client.reader, requestFraming(request), WHOLE_MAX_BYTES);
  }

  async #exchange(
    request: RequestHead,
    upstream: Line,
    { plan, body }: { plan: Plan | undefined; body: Buffer | undefined },
  ): Promise<boolean> {
    const target = plan?.target === undefined ? {} : { target: plan.target };
    const bodyHeaders =
      body === undefined
        ? {}
        : { headers: { 'content-length': String(body.length), 'transfer-encoding': undefined, expect: undefined } };
    const isAsCame = plan?.target === undefined && body === undefined;
    const head = isAsCame ? request.bytes : editHead(request, { ...target, ...bodyHeaders });
    const sent = this.#sendRequest(
      upstream,
      [head, ...(body ? [body] : [])],
      body ? { kind: 'none' } : requestFraming(request),
    );
    // Its failure counts only if the answer fails, too: a daemon may answer before it has read everything, and hang up.
    const outcome = sent.then(
      () => 'sent' as const,
      () => 'failed' as const,
    );
    const watch = outcome.then(async (how) => {
      if (how === 'sent') await this.#watchClient(upstream);
      // The rest will not come, and a daemon that isn't told would wait for it for ever.
      else upstream.stream.end();
    });
    watch.catch(() => undefined);
    const answer = await this.#passAnswer(request.method, upstream, plan);
    if (answer === 'unframed') {
      this.#forget(upstream);
      await this.#carryOn(upstream, outcome);
      return false;
    }
    const ended = upstream.reader.peek().then(
      () => 'ended' as const,
      () => 'ended' as const,
    );
    const how = await Promise.race([outcome, ended]);
    return answer === 'keep' && how === 'sent';
  }

  async #sendRequest(upstream: Line, parts: readonly Buffer[], framing: Framing): Promise<void> {
    for (const part of parts) await send(upstream.stream, part);
    await passBody(this.#client.reader, upstream.stream, framing);
  }

  /** A client that leaves while it waits has lost interest: the daemon ends what it does for it when it sees that. */
  async #watchClient(upstream: Line): Promise<void> {
    try {
      if ((await this.#client.reader.peek()) === undefined) upstream.stream.end();
    } catch {
      reset(upstream.stream);
    }
  }

  async #passAnswer(method: string, upstream: Line, plan: Plan | undefined): Promise<'keep' | 'close' | 'unframed'> {
    for (;;) {
      const came = await readHead(upstream.reader);
      if (came.kind === 'end') throw new Error('the daemon hung up without an answer');
      const answer = came.kind === 'head' ? parseResponseHead(came.bytes) : undefined;
      if (answer === undefined) {
        if (came.kind === 'head') upstream.reader.unread(came.bytes);
        return 'unframed';
      }
      if (answer.status < 200 && answer.status !== 101) {
        await send(this.#client.stream, answer.bytes);
        continue;
      }
      await plan?.after?.(answer.status);
      const framing = responseFraming(answer, method);
      if (plan?.editAnswer && framing.kind !== 'none' && !answer.headers.has('content-encoding'))
        await this.#passEdited(answer, upstream, plan.editAnswer);
      else {
        if (framing.kind === 'none') await plan?.beforeEnd?.();
        await send(this.#client.stream, answer.bytes);
        if (framing.kind === 'unframed') return 'unframed';
        if (plan?.beforeEnd && framing.kind !== 'none') {
          // `wait` sends its head at once and its body at the end.
          await upstream.reader.peek();
          await plan.beforeEnd();
        }
        await passBody(upstream.reader, this.#client.stream, framing);
      }
      const isLast =
        hasWord(answer, 'connection', 'close') || (answer.minor === 0 && !hasWord(answer, 'connection', 'keep-alive'));
      return isLast ? 'close' : 'keep';
    }
  }

  async #passEdited(
    answer: ResponseHead,
    upstream: Line,
    edit: (status: number, body: Buffer) => Promise<Buffer>,
  ): Promise<void> {
    const body = await readBody(upstream.reader, responseFraming(answer, 'GET'), WHOLE_MAX_BYTES);
    const edited = await edit(answer.status, body);
    const headers = { 'content-length': String(edited.length), 'transfer-encoding': undefined };
    await send(this.#client.stream, editHead(answer, { headers }));
    await send(this.#client.stream, edited);
  }

  /** After an upgrade, or an answer whose end is the connection's: both directions, each to its own end. */
  async #carryOn(upstream: Line, sent: Promise<'sent' | 'failed'>): Promise<void> {
    try {
      await Promise.all([
        pump(upstream.reader, this.#client.stream),
        sent.then((how) => (how === 'sent' ? pump(this.#client.reader, upstream.stream) : undefined)),
      ]);
    } catch {
      reset(upstream.stream);
      reset(this.#client.stream);
    }
  }

  async #dial(lane: Lane): Promise<Line> {
    const there = this.#upstreams.get(lane);
    // One that ended while it was idle is no loss.
    if (there && !there.stream.destroyed && there.stream.readable && there.stream.writable) return there;
    const stream = await this.#deps.dialDocker(lane);
    stream.on('error', () => undefined);
    const line = { stream, reader: new ByteReader(stream) };
    this.#upstreams.set(lane, line);
    return line;
  }

  #forget(upstream: Line): void {
    for (const [lane, line] of this.#upstreams) if (line === upstream) this.#upstreams.delete(lane);
  }

  async #refuse(error: GatewayError): Promise<boolean> {
    this.#deps.log.warn({ code: error.code, err: error.cause }, error.message);
    await this.#answer(error.status, { message: error.message });
    return false;
  }

  /** In Docker's own style. The connection ends with it, for there may be a body left that nobody reads. */
  async #answer(status: number, body: unknown): Promise<void> {
    const text = `${JSON.stringify(body)}\n`;
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(text)}`,
      'Connection: close',
      '',
      '',
    ];
    await send(this.#client.stream, head.join('\r\n') + text);
  }

  /** In order: what was said is delivered first. */
  async #hangUp(): Promise<void> {
    for (const { stream } of this.#upstreams.values()) stream.destroy();
    const { stream, reader } = this.#client;
    if (stream.destroyed) return;
    stream.end();
    const timer = setTimeout(() => stream.destroy(), LINGER_MS);
    try {
      while ((await reader.read()) !== undefined);
    } catch {
      // It hung up harder.
    } finally {
      clearTimeout(timer);
      stream.destroy();
    }
  }

  #break(): void {
    for (const { stream } of this.#upstreams.values()) reset(stream);
    reset(this.#client.stream);
  }
}
