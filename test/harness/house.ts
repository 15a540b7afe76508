import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino, type Logger } from 'pino';
import { z } from 'zod';
import type { Agent } from '../../src/agent/agent.ts';
import { startAgent } from '../../src/cli/agent.ts';
import { connectApi, findAdminToken, type CallApi } from '../../src/cli/api.ts';
import type { TurnServers } from '../../src/agent/turn.ts';
import type { RuntimeChoice } from '../../src/cli/runtime.ts';
import { readEnvironment, type Environment } from '../../src/config.ts';
import { listSessionFolders } from '../../src/desktop/folder.ts';
import { findState, readOrder } from '../../src/desktop/state.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import type { TcpMediaOptions } from '../../src/gateway/media/endpoints.ts';
import type { RfbListenerOptions } from '../../src/gateway/vnc/rfb-listener.ts';
import { NekoClient } from '../../src/neko/client.ts';
import { LOGIN_GRACE_MS } from '../../src/protocol/login.ts';
import type { Role } from '../../src/protocol/session.ts';
import { parseReachAddress } from '../../src/signaling/ice-plan.ts';
import { viewerDir } from '../../src/viewer-dir.ts';

export interface House extends AsyncDisposable {
  gateway: Gateway;
  agent: Agent;
  callApi: CallApi;
  environment: Environment;
  log: Logger;
  /** Ends the gateway and starts it anew on its port and data. */
  restartGateway(): Promise<void>;
  /** Starts another agent of the same host in place of one that is gone. */
  restartAgent(): Promise<void>;
}

const Session = z.object({
  id: z.string(),
  state: z.string(),
  reason: z.object({ code: z.string(), message: z.string() }).nullish(),
});
const Access = z.object({ id: z.string(), token: z.string(), viewUrl: z.string() });

/** Gateway and agent as a user has them, with folders and ports of their own; gone without a trace when disposed of. */
export async function openHouse({
  host = '127.0.0.1',
  nat1to1 = ['127.0.0.1'],
  loginGraceMs = LOGIN_GRACE_MS,
  turn,
  tcpMedia,
  rfb,
  runtime,
  agentId = 'host-1',
  maxSessions = 8,
  programIdleMs,
  dockerHost = readEnvironment().dockerHost,
}: {
  /** Where the gateway listens. */
  host?: string;
  /** What streamers offer to viewers. */
  nat1to1?: string[];
  /** How long logins wait for clients that were lost. */
  loginGraceMs?: number;
  /** What viewers are told of. */
  turn?: TurnServers;
  /** Where the gateway takes media over TCP. */
  tcpMedia?: TcpMediaOptions;
  /** Where the gateway takes VNC clients by TCP. */
  rfb?: RfbListenerOptions;
  /** How its sessions run; local processes when left out. */
  runtime?: RuntimeChoice;
  agentId?: string;
  maxSessions?: number;
  /** How long a program's login waits for its next call. */
  programIdleMs?: number;
  /** Where Docker answers, for the runtime that wants it. */
  dockerHost?: string | undefined;
} = {}): Promise<House> {
  await using opening = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'nekogate-house-'));
  opening.defer(() => rm(dir, { recursive: true, force: true }));
  const environment = {
    ...readEnvironment(),
    dataDir: join(dir, 'data'),
    runtimeDir: join(dir, 'run'),
    databaseUrl: undefined,
    dockerHost,
  };
  const log = pino(
    { level: environment.logLevel === 'info' ? 'silent' : environment.logLevel },
    pino.destination({ dest: 2, sync: true }),
  );
  const gatewayOptions = {
    host,
    dataDir: environment.dataDir,
    corsOrigins: [],
    viewerDir: viewerDir(),
    tcpMedia,
    rfb,
    logger: log,
    ...(programIdleMs !== undefined && { programIdleMs }),
  };
  const house = { gateway: await Gateway.start({ ...gatewayOptions, port: 0 }) };
  opening.defer(() => house.gateway.stop());
  const { url } = house.gateway;
  const callApi = connectApi(url, await findAdminToken({ ...environment, adminToken: undefined }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: agentId });
  const open = (): Promise<Agent> =>
    startAgent(environment, log, {
      agentId,
      agentKey: key,
      gatewayUrl: url,
      maxSessions,
      reach: { addresses: nat1to1.map(parseReachAddress), turn },
      loginGraceMs,
      ...(runtime ? { runtime } : {}),
    });
  const hosts = { agent: await open() };
  opening.defer(() => hosts.agent.stop());
  await hosts.agent.connected;
  const owned = opening.move();
  return {
    get gateway() {
      return house.gateway;
    },
    get agent() {
      return hosts.agent;
    },
    callApi,
    environment,
    log,
    async restartGateway() {
      await house.gateway.stop();
      house.gateway = await Gateway.start({ ...gatewayOptions, port: Number(new URL(url).port) });
    },
    async restartAgent() {
      hosts.agent = await open();
      await hosts.agent.connected;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** The neko of a running session, as its agent reaches it. */
export async function findNeko(house: House, sessionId: string): Promise<NekoClient> {
  const { ports, adminPassword } = await readOrder(await folderOf(house, sessionId));
  return new NekoClient({ baseUrl: `http://127.0.0.1:${ports.http}`, adminPassword });
}

/** Where a session's desktop keeps what it has on disk. */
export async function folderOf(house: House, sessionId: string): Promise<string> {
  for (const folder of listSessionFolders(house.environment.runtimeDir)) {
    if ((await readOrder(folder)).sessionId === sessionId) return folder;
  }
  throw new Error(`no desktop of session ${sessionId} is on this host`);
}

/** The process of one part of a session's desktop. */
export async function pidOf(house: House, sessionId: string, part: 'streamer' | 'x-server'): Promise<number> {
  const state = await findState(await folderOf(house, sessionId));
  const found = state?.parts.find(({ name }) => name === part);
  if (!found) throw new Error(`no ${part} among ${state?.parts.map(({ name }) => name).join(', ')}`);
  return found.pid;
}

/** Resolves with the id of a desktop that runs `app`. */
export async function startDesktop(house: House, app: string[]): Promise<string> {
  const session = await house.callApi('POST', '/api/v1/sessions?wait=ready', Session, {
    app,
    audio: false,
    screen: { width: 800, height: 600 },
  });
  if (session.state !== 'running')
    throw new Error(`the desktop is ${session.state}: ${session.reason?.code} ${session.reason?.message}`);
  return session.id;
}

export function grant(house: House, sessionId: string, role: Role): Promise<z.infer<typeof Access>> {
  return house.callApi('POST', `/api/v1/sessions/${sessionId}/access`, Access, { role, label: `test-${role}` });
}

/** A terminal that is blue, turns red when it is clicked, and green when a line was typed, which it writes to `file`. */
export function paintedTerminal(file: string): string[] {
  const script = fileURLToPath(new URL('../fixtures/painted-terminal.sh', import.meta.url));
  return ['xterm', '-fullscreen', '-bg', '#2040c0', '-fg', 'white', '-e', script, file];
}

/** Asks again and again until the answer fits; @throws when it never does. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  fits: (answer: T) => boolean,
  withinMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`${what}: not within ${withinMs} ms; last answer ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
