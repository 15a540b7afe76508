import { EventEmitter, on } from 'node:events';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { LogRing, splitLines } from './log-ring.ts';
import { identityOf, listProcesses, type ProcessIdentity } from './table.ts';

/** Most are ready in a tenth of a second; a busy machine takes its time. */
const READY_MS = 15_000;
/** Lines of its log that go into the error when it does not start. */
const ERROR_LOG_LINES = 10;
/** Time between the polite signal and SIGKILL. */
const STOP_GRACE_MS = 3000;
/** Time that the kernel may take to end a group after SIGKILL (one in uninterruptible sleep can't be hurried); then `stop` throws. */
const KILL_WAIT_MS = 5000;
const KILL_POLL_MS = 10;
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
}

export type ChildExit =
  | { kind: 'code'; code: number }
  | { kind: 'signal'; signal: string }
  | { kind: 'spawn-failed'; error: Error };

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
    const streams = [this.#process.stdout, this.#process.stderr];
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
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

type Spawned = ReturnType<typeof spawnGroup>;

function spawnGroup(options: ChildOptions) {
  return execa(options.file, options.args, {
    env: { ...options.env },
    extendEnv: false,
    cwd: options.cwd,
    detached: true,
    stdin: 'ignore',
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

/** Ends what is left of a group, and waits for it. @throws when the kernel doesn't end it in time */
async function killGroup(group: number, name: string): Promise<void> {
  const deadline = Date.now() + KILL_WAIT_MS;
  while (signalGroup(group, 'SIGKILL')) {
    // Where nobody reaps orphans, zombies stay in the group for good: they don't count.
    if (!listProcesses().some((entry) => entry.group === group)) return;
    if (Date.now() > deadline) throw new Error(`${name} (process group ${group}) did not end after SIGKILL`);
    await sleep(KILL_POLL_MS);
  }
}

/** @returns whether the group has any member, dead ones included */
function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    // ESRCH: nobody is left.
    return false;
  }
}
