import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Logger } from 'pino';

// gst-launch ends at once on SIGTERM; one that hangs (a stuck sound server) is killed.
const STOP_GRACE_MS = 1000;
// The last words of one that failed, for its error.
const LAST_LINES = 5;
const LINE_MAX_LENGTH = 500;

export interface GstOptions {
  /** gst-launch-1.0's arguments, one pipeline. */
  pipeline: readonly string[];
  /** The child's whole environment. */
  env: NodeJS.ProcessEnv;
  onOutput: (chunk: Buffer) => void;
  logger: Logger;
}

/**
 * One gst-launch-1.0, its pipeline reading from its stdin and writing to its stdout. It ends with us, however we end,
 * even while it is paused: the kernel sees to that.
 */
export class GstProcess {
  /** Resolves once it is gone, with how; never rejects. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lastLines: string[] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: GstOptions) {
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', 'gst-launch-1.0', '-q', ...options.pipeline], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.env,
    });
    this.#child.stdout.on('data', options.onOutput);
    this.#child.stdin.on('error', () => {
      // It is going; `exited` tells.
    });
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      options.logger.debug({ line: line.slice(0, LINE_MAX_LENGTH) }, 'gst-launch');
      this.#lastLines.push(line.slice(0, LINE_MAX_LENGTH));
      if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) =>
        resolve(`${signal ?? `code ${code}`}: ${this.#lastLines.join(' | ')}`),
      );
      this.#child.once('error', (error) => {
        if (this.#child.pid === undefined) resolve(`gst-launch-1.0 cannot be started: ${error.message}`);
      });
    });
  }

  /** Whether what was written still waits to be read. */
  get isFull(): boolean {
    return this.#child.stdin.writableNeedDrain;
  }

  /** Writes to the pipeline's stdin; false when it should be given time to read. Lost when the process is gone. */
  write(bytes: Uint8Array): boolean {
    return this.#child.stdin.writable && this.#child.stdin.write(bytes);
  }

  /** Stops it in its tracks, at no cost, until `resume`. Only once it runs: while it starts it may hold what others wait for. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Resolves once the process is gone. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    this.#child.kill('SIGCONT');
    const hammer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_GRACE_MS);
    await this.exited;
    clearTimeout(hammer);
  }
}
