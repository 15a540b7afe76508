import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../harness/folder.ts';
import type { Xvnc } from '../harness/xvnc.ts';

// `ready` says that it reads; each line entered is appended with its end to `lines`.
const SCRIPT = 'touch ready; while IFS= read -r line; do printf "%s\\n" "$line" >> lines; done';

/** An xterm in the upper left corner that keeps the lines that are typed into it. */
export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: AsyncDisposable & { path: string };
  readonly #ended: Promise<unknown>;
  #taken = 0;

  static async open(xvnc: Xvnc): Promise<Terminal> {
    await using opening = new AsyncDisposableStack();
    const folder = opening.use(await temporaryFolder());
    const appeared = changed(folder.path, 'ready');
    const child = spawn('xterm', ['-u8', '-geometry', '80x24+0+0', '-e', 'sh', '-c', SCRIPT], {
      cwd: folder.path,
      stdio: 'ignore',
      env: { ...xvnc.env, PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: folder.path },
    });
    const ended = once(child, 'exit');
    await appeared;
    opening.move();
    return new Terminal(child, folder, ended);
  }

  private constructor(child: ChildProcess, folder: AsyncDisposable & { path: string }, ended: Promise<unknown>) {
    this.#child = child;
    this.#folder = folder;
    this.#ended = ended;
  }

  /** The next line, once it has been entered. */
  async line(): Promise<string> {
    for (;;) {
      const next = changed(this.#folder.path, 'lines');
      const lines = (await this.#read()).split('\n');
      const line = lines[this.#taken];
      if (line !== undefined && lines.length > this.#taken + 1) {
        this.#taken += 1;
        return line;
      }
      await next;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    await this.#folder[Symbol.asyncDispose]();
  }

  async #read(): Promise<string> {
    try {
      return await readFile(join(this.#folder.path, 'lines'), 'utf8');
    } catch {
      // ENOENT until the first line.
      return '';
    }
  }
}

async function changed(folder: string, name: string): Promise<void> {
  for await (const { filename } of watch(folder)) if (filename === name) return;
}
