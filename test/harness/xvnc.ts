import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { encodePasswordFile } from '../../src/rfb/password.ts';

const READY_TIMEOUT_MS = 20_000;

export interface XvncOptions {
  width?: number;
  height?: number;
  /** Whether a key that stays down repeats; true where not given. */
  autoRepeat?: boolean;
  /** Of its VNC server; none where not given. */
  password?: string;
}

/** An X server of a test's own: on a display that was free, with a cookie, without any client or window. */
export class Xvnc implements AsyncDisposable {
  /** `:N`. */
  readonly display: string;
  /** What its clients' environment needs. */
  readonly env: { DISPLAY: string; XAUTHORITY: string };
  /** Where it serves RFB. */
  readonly rfbSocket: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  static async start({ width = 1280, height = 720, autoRepeat = true, password }: XvncOptions = {}): Promise<Xvnc> {
    const folder = await mkdtemp(join(tmpdir(), 'xvnc-'));
    const authority = join(folder, 'xauthority');
    await writeFile(authority, xauthorityEntry(randomBytes(16)), { mode: 0o600 });
    const socket = join(folder, 'rfb');
    const passwordFile = join(folder, 'password');
    if (password !== undefined) await writeFile(passwordFile, encodePasswordFile(password), { mode: 0o600 });
    const security =
      password === undefined ? ['-SecurityTypes', 'None'] : ['-SecurityTypes', 'VncAuth', '-rfbauth', passwordFile];
    const child = spawn(
      'Xvnc',
      [
        `-displayfd 3 -geometry ${width}x${height} -depth 24 -rfbport -1 -nolisten tcp`.split(' '),
        ['-auth', authority, '-rfbunixpath', socket, autoRepeat ? 'r' : '-r'],
        security,
      ].flat(),
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
    );
    const number = await readLine(child);
    return new Xvnc(child, `:${number}`, folder, authority);
  }

  private constructor(child: ChildProcess, display: string, folder: string, authority: string) {
    this.#child = child;
    this.display = display;
    this.#folder = folder;
    this.env = { DISPLAY: display, XAUTHORITY: authority };
    this.rfbSocket = join(folder, 'rfb');
  }

  /** Ends the server at once, as a crash would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Xvnc writes its display's number once it takes clients. */
async function readLine(child: ChildProcess): Promise<string> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fourth of `stdio` is a pipe to read
  const output = child.stdio[3] as Readable;
  let text = '';
  const limit = AbortSignal.timeout(READY_TIMEOUT_MS);
  while (!text.includes('\n')) {
    const [chunk]: unknown[] = await once(output, 'data', { signal: limit });
    text += String(chunk);
  }
  return text.trim();
}

/** A cookie for any address and any display (FamilyWild), as `xauth generate` writes it. */
function xauthorityEntry(cookie: Buffer): Buffer {
  const fields = ['', '', 'MIT-MAGIC-COOKIE-1', cookie].map((field) => {
    const bytes = Buffer.from(field);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    return Buffer.concat([length, bytes]);
  });
  return Buffer.concat([Buffer.from([0xff, 0xff]), ...fields]);
}
