import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { bodyPieces, readBody, responseFraming, type Framing } from './http/body.ts';
import { parseResponseHead, readHead } from './http/head.ts';
import { OWNER_LABEL } from './labels.ts';
import { ByteReader } from './streams/byte-reader.ts';
import { send } from './streams/splice.ts';

export type DialDocker = () => Promise<Duplex>;

const PublishedPort = z.object({ HostIp: z.string(), HostPort: z.string() });

/** Of GET /containers/{id}/json what the proxy needs. */
export const Inspected = z.object({
  Id: z.string(),
  Name: z.string(),
  State: z.object({ Running: z.boolean(), Restarting: z.boolean() }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
  HostConfig: z.object({ PortBindings: z.record(z.string(), z.unknown()).nullish() }),
  NetworkSettings: z.object({ Ports: z.record(z.string(), z.array(PublishedPort).nullable()).nullish() }),
});
export type Inspected = z.infer<typeof Inspected>;

const Listed = z.array(
  z.object({
    Id: z.string(),
    State: z.string().optional(),
    Labels: z.record(z.string(), z.string()).nullish(),
  }),
);
export type Listed = z.infer<typeof Listed>;
const Image = z.object({ Config: z.object({ ExposedPorts: z.record(z.string(), z.unknown()).nullish() }).nullish() });
const Event = z.object({ Action: z.string(), Actor: z.object({ ID: z.string() }) });

/** Longer than any answer that is asked for here. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;
const EVENT_MAX_LENGTH = 1024 * 1024;

/** The proxy's own calls, each on a stream of its own. All reject with a GatewayError when the daemon can't be reached. */
export class Engine {
  readonly #dial: DialDocker;

  constructor(dial: DialDocker) {
    this.#dial = dial;
  }

  /** @returns undefined when there is no such container */
  async findContainer(ref: string): Promise<Inspected | undefined> {
    return this.#get(`/containers/${encodeURIComponent(ref)}/json`, Inspected);
  }

  /** An owner's containers, in any state. */
  async listContainers(owner: string): Promise<Listed> {
    const filters = JSON.stringify({ label: [`${OWNER_LABEL}=${owner}`] });
    const listed = await this.#get(`/containers/json?all=1&filters=${encodeURIComponent(filters)}`, Listed);
    return listed ?? [];
  }

  /** What an image exposes, like `80/tcp`; nothing when it isn't there. */
  async exposedPorts(image: string): Promise<string[]> {
    const found = await this.#get(`/images/${image.split('/').map(encodeURIComponent).join('/')}/json`, Image);
    return Object.keys(found?.Config?.ExposedPorts ?? {});
  }

  /** Calls `onEvent` for what happens to an owner's containers, until the stream ends, which rejects. `onOpen`: from now on nothing is missed. */
  async watch(
    owner: string,
    { onOpen, onEvent }: { onOpen: () => void; onEvent: (containerId: string, action: string) => void },
    signal: AbortSignal,
  ): Promise<never> {
    const filters = JSON.stringify({ type: ['container'], label: [`${OWNER_LABEL}=${owner}`] });
    await using answer = await this.#call(`/events?filters=${encodeURIComponent(filters)}`, signal);
    onOpen();
    const decoder = new StringDecoder('utf8');
    let text = '';
    for await (const { content } of bodyPieces(answer.reader, answer.framing)) {
      text += decoder.write(content);
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      if (text.length > EVENT_MAX_LENGTH) throw new GatewayError('DOCKER_FAILED', 'an event of the daemon has no end');
      for (const line of lines) {
        const event = Event.safeParse(parseJson(line));
        if (event.success) onEvent(event.data.Actor.ID, event.data.Action);
      }
    }
    throw new GatewayError('DOCKER_UNAVAILABLE', 'the daemon ended its events');
  }

  async #get<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    await using answer = await this.#call(path);
    const text = (await readBody(answer.reader, answer.framing, ANSWER_MAX_BYTES)).toString('utf8');
    if (answer.status === 404) return undefined;
    const parsed = schema.safeParse(parseJson(text));
    if (answer.status !== 200 || !parsed.success)
      throw new GatewayError(
        'DOCKER_FAILED',
        `the daemon answered ${path} with ${answer.status}: ${text.slice(0, 500)}`,
      );
    return parsed.data;
  }

  async #call(path: string, signal?: AbortSignal): Promise<Answer> {
    const stream = await this.#dial();
    const onAbort = (): unknown => stream.destroy();
    signal?.addEventListener('abort', onAbort, { once: true });
    stream.on('error', () => undefined);
    try {
      signal?.throwIfAborted();
      // Not by node:http, which takes no stream but a socket's.
      await send(stream, `GET ${path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n`);
      const reader = new ByteReader(stream);
      const came = await readHead(reader);
      const head = came.kind === 'head' ? parseResponseHead(came.bytes) : undefined;
      if (head === undefined) throw new Error('no answer');
      return {
        status: head.status,
        framing: responseFraming(head, 'GET'),
        reader,
        [Symbol.asyncDispose]: async () => {
          signal?.removeEventListener('abort', onAbort);
          stream.destroy();
        },
      };
    } catch (cause) {
      signal?.removeEventListener('abort', onAbort);
      stream.destroy();
      throw new GatewayError('DOCKER_UNAVAILABLE', `the daemon hung up on ${path}`, { cause });
    }
  }
}

interface Answer extends AsyncDisposable {
  status: number;
  framing: Framing;
  reader: ByteReader;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No schema takes it.
    return undefined;
  }
}
