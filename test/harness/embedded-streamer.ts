import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Xvnc } from './xvnc.ts';

const MAIN = join(import.meta.dirname, '../../src/neko/embedded/main.ts');
const READY_TIMEOUT_MS = 30_000;
export const PASSWORDS = { admin: 'the-admin-password', user: 'the-user-password' } as const;

/** The embedded streamer as a process of its own, as its supervisor runs it. */
export class EmbeddedStreamer implements AsyncDisposable {
  readonly baseUrl: string;
  /** How it ended. */
  readonly exited: Promise<{ code: number | null; lastLine: string }>;
  readonly #child: ChildProcess;

  /** Resolves once it answers; rejects with its last words when it ends before. */
  static async start(xvnc: Xvnc, flags: Record<string, string> = {}): Promise<EmbeddedStreamer> {
    const all = {
      'server.bind': '127.0.0.1:0',
      'desktop.display': xvnc.display,
      'desktop.screen': '1280x720@25',
      'desktop.input.enabled': 'false',
      'webrtc.icelite': 'true',
      'webrtc.nat1to1': '127.0.0.1',
      'webrtc.ip_retrieval_url': '',
      'webrtc.epr': portRange(),
      ...flags,
    };
    const streamer = runEmbedded(
      ['serve', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)],
      xvnc.env,
    );
    const port = await Promise.race([
      streamer.port,
      streamer.exited.then((exit) => Promise.reject(new Error(`it ended with ${exit.code}: ${exit.lastLine}`))),
    ]);
    return new EmbeddedStreamer(streamer.child, streamer.exited, port);
  }

  private constructor(child: ChildProcess, exited: EmbeddedStreamer['exited'], port: number) {
    this.#child = child;
    this.exited = exited;
    this.baseUrl = `http://127.0.0.1:${port}`;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<{ code: number | null; lastLine: string }> {
    this.#child.kill('SIGTERM');
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Hardly the same as that of a streamer in another worker; where they meet, each takes what is free. */
function portRange(): string {
  const first = 40_000 + 100 * Math.floor(Math.random() * 150);
  return `${first}-${first + 99}`;
}

/** Starts the program with any arguments; `port` resolves when it serves. */
export function runEmbedded(
  args: string[],
  env: Record<string, string>,
): {
  child: ChildProcess;
  port: Promise<number>;
  exited: Promise<{ code: number | null; lastLine: string; lines: string[] }>;
} {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      NEKO_LEGACY: 'false',
      NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: PASSWORDS.admin,
      NEKO_MEMBER_MULTIUSER_USER_PASSWORD: PASSWORDS.user,
      ...env,
    },
  });
  const lines: string[] = [];
  const port = Promise.withResolvers<number>();
  const closed = once(child, 'close', { signal: AbortSignal.timeout(READY_TIMEOUT_MS * 10) });
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    const [, found] = /"port":(\d+).*is serving/.exec(line) ?? [];
    if (found !== undefined) port.resolve(Number(found));
  });
  const exited = closed.then(([code]: unknown[]) => ({
    code: typeof code === 'number' ? code : null,
    lastLine: lines.at(-1) ?? '',
    lines,
  }));
  return { child, port: port.promise, exited };
}
