// The ways to one VNC server: by gateway and agent, by websockify, and straight; each an own process or more.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { connectApi, findAdminToken } from '../../src/cli/api.ts';
import { readEnvironment } from '../../src/config.ts';
import { bytesOf } from '../../src/websocket/frames.ts';
import { until } from '../../test/harness/house.ts';
import { canConnect, freePort } from '../../test/harness/ports.ts';
import { webSocketUrl } from '../../test/harness/scripted-agent.ts';
import { GREETING, LOGIN, SERVER_INIT } from './talk.ts';

/** As many clients as one access and one session may have at once (src/gateway/logins/logins.ts). */
const CLIENTS_PER_ACCESS = 16;
const CLIENTS_PER_SESSION = 64;

export interface Stream {
  send(bytes: Uint8Array): void;
  /** Resolves once so many bytes more have come. */
  read(length: number): Promise<void>;
  /** Resolves once it is closed. */
  close(): Promise<void>;
}

export interface Way {
  name: string;
  /** Resolves with a stream that is open; nothing of RFB was said. */
  dial(): Promise<Stream>;
  /** Processes that the way itself takes, with all below them. */
  pids: number[];
}

export interface Ways extends AsyncDisposable {
  ours: Way;
  websockify: Way;
  direct: Way;
}

export async function openWays(clientsMax: number): Promise<Ways> {
  await using opening = new AsyncDisposableStack();
  const server = opening.use(await startProcess(process.execPath, [fileOf('server.ts')]));
  const port = Number((await server.until(/listening on (\d+)/))[1]);
  const ours = await openOurs(opening, port, clientsMax);
  const proxyPort = await freePort();
  const proxy = opening.use(await startProcess('websockify', [`127.0.0.1:${proxyPort}`, `127.0.0.1:${port}`]));
  await until(
    'websockify listens',
    () => canConnect(proxyPort),
    (answers) => answers,
  );
  const owned = opening.move();
  return {
    ours,
    websockify: {
      name: 'websockify',
      dial: () => dialWebSocket(`ws://127.0.0.1:${proxyPort}/`, ['binary']),
      pids: [proxy.pid],
    },
    direct: { name: 'straight', dial: () => dialTcp(port), pids: [] },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Goes through the handshake, as a client that waits for none of it. */
export async function enter(stream: Stream): Promise<Stream> {
  stream.send(LOGIN);
  await stream.read(GREETING.length + SERVER_INIT.length);
  return stream;
}

async function openOurs(opening: AsyncDisposableStack, port: number, clientsMax: number): Promise<Way> {
  const dataDir = await mkdtemp(join(tmpdir(), 'nekogate-bench-vnc-'));
  opening.defer(() => rm(dataDir, { recursive: true, force: true }));
  const gatewayPort = await freePort();
  const url = `http://127.0.0.1:${gatewayPort}`;
  const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const gateway = opening.use(
    await startProcess(process.execPath, [cli, 'gateway', '--port', String(gatewayPort), '--data-dir', dataDir]),
  );
  await gateway.until(/the gateway listens/);
  const callApi = connectApi(url, await findAdminToken({ ...readEnvironment(), dataDir, adminToken: undefined }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: 'bench' });
  const sessions = Math.ceil(clientsMax / CLIENTS_PER_SESSION);
  const agent = opening.use(
    await startProcess(process.execPath, [fileOf('agent.ts'), url, key, String(port), String(sessions)]),
  );
  await agent.until(/connected/);
  const doors: { url: string; token: string }[] = [];
  for (let index = 0; index < sessions; index++) {
    const { id } = await callApi('POST', '/api/v1/sessions?wait=ready', z.object({ id: z.string() }), {});
    for (let access = 0; access < CLIENTS_PER_SESSION / CLIENTS_PER_ACCESS; access++) {
      const { token } = await callApi('POST', `/api/v1/sessions/${id}/access`, z.object({ token: z.string() }), {
        role: 'owner',
        label: 'bench',
      });
      doors.push({ url: `${webSocketUrl(url)}/s/${id}/vnc`, token });
    }
  }
  let next = 0;
  return {
    name: 'gateway and agent',
    dial: () => {
      const door = doors[next++ % doors.length];
      if (!door) throw new Error('no session');
      return dialWebSocket(door.url, ['binary', `access.${door.token}`]);
    },
    pids: [gateway.pid, agent.pid],
  };
}

async function dialWebSocket(url: string, protocols: string[]): Promise<Stream> {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  const counter = new Counter();
  socket.on('message', (bytes) => counter.add(bytesOf(bytes).length));
  await once(socket, 'open');
  return {
    send: (bytes) => socket.send(bytes),
    read: (length) => counter.take(length),
    close: async () => {
      socket.close(1000);
      await once(socket, 'close');
    },
  };
}

async function dialTcp(port: number): Promise<Stream> {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const counter = new Counter();
  socket.on('data', (bytes) => counter.add(bytes.length));
  await once(socket, 'connect');
  return {
    send: (bytes) => void socket.write(bytes),
    read: (length) => counter.take(length),
    close: async () => {
      socket.end();
      await once(socket, 'close');
    },
  };
}

/** Counts what comes, and forgets it. */
class Counter {
  #bytes = 0;
  #wanted = Infinity;
  #enough: (() => void) | undefined;

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#wanted) return;
    this.#bytes -= this.#wanted;
    this.#wanted = Infinity;
    this.#enough?.();
  }

  take(length: number): Promise<void> {
    return new Promise((resolve) => {
      this.#enough = resolve;
      this.#wanted = length;
      this.add(0);
    });
  }
}

interface StartedProcess extends AsyncDisposable {
  pid: number;
  until(pattern: RegExp): Promise<RegExpExecArray>;
}

async function startProcess(program: string, args: string[]): Promise<StartedProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      // Only how it starts is read; a log line more must not fill anything.
      if (output.length < 65_536) output += text;
    });
  await once(child, 'spawn');
  return {
    pid: child.pid ?? 0,
    async until(pattern) {
      const match = await until(
        `${program} ${args[0]} says ${pattern}`,
        async () => pattern.exec(output),
        (found) => found !== null,
      );
      if (!match) throw new Error('unreachable');
      return match;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
