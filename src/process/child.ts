import { EventEmitter, on } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { messageOf } from '../errors.ts';
import { killGroup, signalGroup } from './group.ts';
import { readTail } from './log-file.ts';
import { LogRing, splitLines } from './log-ring.ts';
import { identityOf, type ProcessIdentity } from './table.ts';

/** Most are ready in a tenth of a second; a busy machine takes its time. */
const READY_MS = 15_000;
/** Lines of its log that go into the error when it does not start. */
const ERROR_LOG_LINES = 10;
/** Time between the polite signal and SIGKILL. */
const STOP_GRACE_MS = 3000;
/** Time for what was still in the pipes to be read after the end. */
const DRAIN_MS = 200;

export interface ChildOptions {
  /** What it is called in messages. */
  name: string;
  file: string;
  args: readonly string[];
  /** All of its environment: nothing is inherited. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Time that it has to become ready; longer fails the start. */
  readyMs?: number;
  stopGraceMs?: number;
  /**
   * Takes its output, so that it outlives us; then its lines can't be waited for, and are in `log` once it is stopped. Left
   * out, the output comes to us and is `log` as it comes.
   */
  logFile?: string;
}

export type ChildExit =
  | { kind: 'code'; code: number }
  | { kind: 'signal'; signal: string }
  | { kind: 'spawn-failed'; error: Error }
  /** It was not our child, so nobody said how. */
  | { kind: 'unseen' };

/** A process that is ours to end. */
export type Supervised = Pick<Child, 'exited' | 'log' | 'stop'>;

/** Waits until a child does its work; aborted when the child ends first or the caller gives up. */
export type UntilReady = (child: Child, signal: AbortSignal) => Promise<void>;

/** One process of ours in a process group of its own, with the end of what it wrote. */
export class Child {
  readonly name: string;
  /** Resolves when the process itself has ended, or was never there; never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly log = new LogRing();
  /** Undefined when it could not be started. */
  readonly identity: ProcessIdentity | undefined;
  readonly #process: Spawned;
  readonly #lines = new EventEmitter<{ stdout: [string]; stderr: [string] }>();
  readonly #graceMs: number;
  readonly #logFile: string | undefined;
  #stopping: Promise<void> | undefined;

  /**
   * Resolves once `untilReady` does. A child that ends, fails or takes too long before that is stopped, with its group.
   * @throws the signal's reason, or else an Error that says why, with the child's last lines below
   */
  static async start(options: ChildOptions, untilReady: UntilReady, signal: AbortSignal): Promise<Child> {
    signal.throwIfAborted();
    const child = new Child(options);
    const startup = new AbortController();
    const { readyMs = READY_MS } = options;
    const deadline = AbortSignal.timeout(readyMs);
    try {
      await Promise.race([
        untilReady(child, AbortSignal.any([signal, startup.signal, deadline])),
        child.exited.then((exit) => Promise.reject(new Error(describeExit(exit)))),
      ]);
      return child;
    } catch (cause) {
      const why = deadline.aborted ? `was not ready in ${readyMs} ms` : messageOf(cause);
      await child.stop();
      signal.throwIfAborted();
      throw new Error([`${options.name} ${why}`, ...child.log.last(ERROR_LOG_LINES)].join('\n'), { cause });
    } finally {
      startup.abort();
    }
  }

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#graceMs = options.stopGraceMs ?? STOP_GRACE_MS;
    this.#logFile = options.logFile;
    this.#process = spawnGroup(options);
    this.exited = exitOf(this.#process);
    this.#collect('stdout');
    this.#collect('stderr');
    this.identity = this.#process.pid === undefined ? undefined : identityOf(this.#process.pid);
  }

  /** Resolves with the match at the next line that matches. */
  async untilLine(source: 'stdout' | 'stderr', pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    for await (const [line] of on(this.#lines, source, { signal })) {
      const match = pattern.exec(String(line));
      if (match) return match;
    }
    throw new Error(`${this.name} wrote no line like ${pattern.source}`);
  }

  /** SIGTERM to its whole group, after the grace SIGKILL; resolves once nothing of the group runs. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const group = this.#process.pid;
    if (group === undefined) return;
    signalGroup(group, 'SIGTERM');
    const graced = new AbortController();
    await Promise.race([
      this.exited,
      sleep(this.#graceMs, undefined, { signal: graced.signal }).catch(() => undefined),
    ]).finally(() => graced.abort());
    await killGroup(group, this.name);
    await this.#drain();
  }

  /** Reads the last words. Not for ever: a process that left the group may hold the pipes. */
  async #drain(): Promise<void> {
    if (this.#logFile !== undefined) for (const line of readTail(this.#logFile)) this.log.push(line);
    const streams = [this.#process.stdout, this.#process.stderr].filter((stream) => stream !== null);
    const drained = AbortSignal.timeout(DRAIN_MS);
    await Promise.all(
      streams.map((stream) => finished(stream, { signal: drained, writable: false }).catch(() => undefined)),
    );
    for (const stream of streams) stream.destroy();
  }

  #collect(source: 'stdout' | 'stderr'): void {
    const lines = splitLines((line) => {
      this.log.push(line);
      this.#lines.emit(source, line);
    });
    const stream = this.#process[source];
    if (stream === null) return;
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => lines.write(chunk));
    stream.on('end', () => lines.end());
  }
}

export function describeExit(exit: ChildExit): string {
  switch (exit.kind) {
    case 'code':
      return `exited with code ${exit.code}`;
    case 'signal':
      return `was ended by ${exit.signal}`;
    case 'spawn-failed':
      return `could not be started: ${exit.error.message}`;
    case 'unseen':
      return 'is gone';
  }
}

type Spawned = ReturnType<typeof spawnGroup>;

function spawnGroup(options: ChildOptions) {
  const logFile = options.logFile === undefined ? undefined : openSync(options.logFile, 'a', 0o600);
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- execa takes any open file here; its types only know the first ten
    return spawnInto(options, (logFile as 3 | undefined) ?? 'pipe');
  } finally {
    if (logFile !== undefined) closeSync(logFile);
  }
}

function spawnInto(options: ChildOptions, output: 'pipe' | 3) {
  return execa(options.file, options.args, {
    env: { ...options.env },
    extendEnv: false,
    cwd: options.cwd,
    detached: true,
    stdin: 'ignore',
    stdout: output,
    stderr: output,
    buffer: false,
    reject: false,
  });
}

// Not execa's own promise: that one waits for the pipes too, which a grandchild may hold open for ever.
async function exitOf(subprocess: Spawned): Promise<ChildExit> {
  if (subprocess.pid === undefined) {
    const { cause, originalMessage } = await subprocess;
    return { kind: 'spawn-failed', error: cause instanceof Error ? cause : new Error(originalMessage) };
  }
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    subprocess.nodeChildProcess.once('exit', (...ended) => resolve(ended));
  });
  return typeof code === 'number' ? { kind: 'code', code } : { kind: 'signal', signal: String(signal) };
}
