import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { WebSocket, type ClientOptions } from 'ws';
import { z } from 'zod';
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import type { Role } from '../../src/protocol/session.ts';
import { recordFrames, ScriptedAgent, webSocketUrl, type ScriptedAgentOptions, type Wire } from './scripted-agent.ts';

/** An answer of the API, its body parsed where it is JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests name what they expect of a body
  body: any;
}

export interface Call {
  token?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Refusal {
  status: number;
  code: string;
}

/** A real gateway on a port and a folder of its own, without any host behind it. */
export class ControlPlane implements AsyncDisposable {
  readonly gateway: Gateway;
  readonly dataDir: string;
  readonly #owned: AsyncDisposableStack;

  static async start(options: Partial<GatewayOptions> = {}): Promise<ControlPlane> {
    await using starting = new AsyncDisposableStack();
    const dataDir = await mkdtemp(join(tmpdir(), 'nekogate-gateway-'));
    starting.defer(() => rm(dataDir, { recursive: true, force: true }));
    const logger: Logger = pino({ level: 'silent' });
    const gateway = await Gateway.start({ port: 0, dataDir, viewerDir: dataDir, logger, ...options });
    starting.defer(() => gateway.stop());
    return new ControlPlane(gateway, dataDir, starting.move());
  }

  private constructor(gateway: Gateway, dataDir: string, owned: AsyncDisposableStack) {
    this.gateway = gateway;
    this.dataDir = dataDir;
    this.#owned = owned;
  }

  /** As the administrator, unless a token is given; an empty one sends none. */
  async call(
    method: string,
    path: string,
    { token = this.gateway.adminToken, body, headers }: Call = {},
  ): Promise<Answer> {
    const response = await fetch(this.gateway.url + path, {
      method,
      headers: {
        ...(token !== '' && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  async enroll(agentId: string): Promise<string> {
    const { body } = await this.call('POST', '/api/v1/agents', { body: { id: agentId } });
    return z.object({ key: z.string() }).parse(body).key;
  }

  /** Enrolls an agent and connects it. */
  async connectAgent(options: Partial<ScriptedAgentOptions> = {}): Promise<ScriptedAgent> {
    const agentId = options.agentId ?? 'host-1';
    const agentKey = options.agentKey ?? (await this.enroll(agentId));
    return ScriptedAgent.connect({ gatewayUrl: this.gateway.url, ...options, agentId, agentKey });
  }

  /** The id of a session that runs on the connected agent. */
  async startSession(): Promise<string> {
    const { body } = await this.call('POST', '/api/v1/sessions?wait=ready', { body: {} });
    return z.object({ id: z.string(), state: z.literal('running') }).parse(body).id;
  }

  async grant(sessionId: string, role: Role = 'controller', ttlSeconds = 3600): Promise<{ id: string; token: string }> {
    const answer = await this.call('POST', `/api/v1/sessions/${sessionId}/access`, {
      body: { role, ttlSeconds, label: 'ann' },
    });
    return z.object({ id: z.string(), token: z.string() }).parse(answer.body);
  }

  /** Dials a session's signaling as a browser does; resolves once it is open, or with the refusal. */
  async dial(sessionId: string, token: string, options: ClientOptions = {}): Promise<Wire | Refusal> {
    return this.dialPath(`/s/${sessionId}/api/ws`, ['nekogate.v1', `access.${token}`], options);
  }

  async dialPath(path: string, protocols: string[], options: ClientOptions = {}): Promise<Wire | Refusal> {
    const socket = new WebSocket(webSocketUrl(this.gateway.url) + path, protocols, options);
    socket.on('error', () => undefined);
    const client = recordFrames(socket);
    const { promise, resolve, reject } = Promise.withResolvers<Wire | Refusal>();
    socket.once('open', () => resolve(client));
    socket.once('error', reject);
    socket.once('unexpected-response', (request, response) => {
      socket.off('error', reject);
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const problem = z.object({ code: z.string() }).parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        resolve({ status: response.statusCode ?? 0, code: problem.code });
        request.destroy();
      });
    });
    return promise;
  }

  /** As `dial`, for a client that must get in. */
  async join(sessionId: string, token: string): Promise<Wire> {
    const client = await this.dial(sessionId, token);
    if (!('socket' in client)) throw new Error(`refused with ${client.status} ${client.code}`);
    return client;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}
