import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface Program extends AsyncDisposable {
  pid: number;
  /** Resolves with the match once what it wrote matches; rejects when it ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  /** All that it wrote so far, both streams. */
  output(): string;
  exited: Promise<{ code: number | null; signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
}

/** `nekogate ARGS…` as a process of its own, as a user starts it, or another program of Node's; disposing of it ends it. */
export function startProgram(args: readonly string[], env: Record<string, string>, file = CLI): Program {
  const child = execa(process.execPath, [file, ...args], {
    env,
    all: true,
    buffer: false,
    reject: false,
    stdin: 'ignore',
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the program did not start');
  let output = '';
  child.all.setEncoding('utf8');
  child.all.on('data', (text: string) => {
    output += text;
  });
  const exited = once(child.nodeChildProcess, 'exit').then(([code, signal]: unknown[]) => ({
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? signal : null,
  }));
  return {
    pid,
    output: () => output,
    exited,
    kill: (signal) => void child.kill(signal),
    async until(pattern) {
      for (;;) {
        const match = pattern.exec(output);
        if (match) return match;
        const ended = await Promise.race([once(child.all, 'data').then(() => false), exited.then(() => true)]);
        if (ended && !pattern.test(output))
          throw new Error(`${basename(file)} ${args.join(' ')} ended first: ${output}`);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
