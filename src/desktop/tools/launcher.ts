import { GatewayError, toGatewayError } from '../../errors.ts';
import { Child, describeExit, type ChildExit } from '../../process/child.ts';
import { findExecutable } from '../../process/executable.ts';
import { findProcess } from '../../process/table.ts';
import type { DesktopWindow, Launched } from '../../protocol/tools.ts';
import { programEnvironment } from '../app.ts';
import { requireSandbox } from '../sandbox.ts';
import type { Seat } from './seat.ts';
import type { ToolSite } from './tool.ts';

/** Programs that were launched and still run; one more is refused with TOO_MANY_REQUESTS. */
const PROGRAMS_MAX = 64;
/** Of what a program that failed wrote. */
const FAILURE_LINES = 10;
const FAILURE_MAX_CHARS = 2000;
/** Processes from a window's up to the program that was launched. */
const ANCESTORS_MAX = 32;

export interface LaunchOptions {
  waitMs: number;
  /** Whether there is nothing to wait for any more once it has ended well: it gave the work to one that runs already. */
  endsWait: boolean;
  signal: AbortSignal;
}

/** Programs that were started by a tool; they end with the desktop. */
export class Launcher {
  readonly #site: ToolSite;
  readonly #seat: Seat;
  readonly #running = new Set<Child>();
  #isClosed = false;

  constructor(site: ToolSite, seat: Seat) {
    this.#site = site;
    this.#seat = seat;
  }

  /**
   * Starts a program as the session's own is, and waits for its window where it is told to.
   * @throws GatewayError PROGRAM_NOT_FOUND | PROGRAM_FAILED when it ended with a failure before it had one | TOO_MANY_REQUESTS
   */
  async launch(command: readonly string[], options: LaunchOptions): Promise<Launched> {
    const { waitMs, signal } = options;
    const { windows } = await this.#seat.take();
    const before = waitMs > 0 ? (await windows.list()).map(({ id }) => id) : [];
    signal.throwIfAborted();
    const child = await this.#start(command);
    let exit: ChildExit | undefined;
    void child.exited.then((ended) => {
      exit = ended;
      this.#running.delete(child);
    });
    const look = async (): Promise<{ window: DesktopWindow | null } | undefined> => {
      if (exit && !isGood(exit)) throw failureOf(child, exit);
      // One that has ended may have had another program open the window.
      const isIts = (window: DesktopWindow): boolean =>
        !before.includes(window.id) && (exit !== undefined || isOf(window, child));
      const window = (await windows.list()).find(isIts);
      if (window) return { window };
      return exit && options.endsWait ? { window: null } : undefined;
    };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
    const found = waitMs > 0 ? await windows.until(look, limit, child.exited) : undefined;
    // What is typed next is meant for it.
    const window = found?.window ? await windows.untilFocused(found.window.id) : undefined;
    return {
      pid: child.identity?.pid ?? 0,
      window: window ?? null,
      exitCode: exit?.kind === 'code' ? exit.code : null,
    };
  }

  /** Ends those that run; resolves once they have. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running].map((child) => child.stop()));
  }

  async #start([name = '', ...args]: readonly string[]): Promise<Child> {
    const { environment, spec, getXServer } = this.#site;
    const file = findExecutable(name, environment.path);
    if (file === undefined)
      throw new GatewayError('PROGRAM_NOT_FOUND', `the desktop has no program ${name} (PATH is ${environment.path})`);
    await requireSandbox(file, args, environment.path).catch((cause: unknown) => {
      throw new GatewayError('PROGRAM_FAILED', toGatewayError(cause).message, { cause });
    });
    if (this.#running.size >= PROGRAMS_MAX)
      throw new GatewayError('TOO_MANY_REQUESTS', `${PROGRAMS_MAX} programs that were launched here run already`);
    if (this.#isClosed) throw new GatewayError('SESSION_NOT_RUNNING', 'the desktop is ending');
    const env = programEnvironment(spec, environment, getXServer().display);
    const child = new Child({ name: `the program ${name}`, file, args, env, cwd: environment.folder.home });
    if (!child.identity) throw failureOf(child, await child.exited);
    this.#running.add(child);
    return child;
  }
}

function isGood(exit: ChildExit): boolean {
  return exit.kind === 'code' && exit.code === 0;
}

function failureOf(child: Child, exit: ChildExit): GatewayError {
  const lines = [`${child.name} ${describeExit(exit)}`, ...child.log.last(FAILURE_LINES)];
  return new GatewayError('PROGRAM_FAILED', lines.join('\n').slice(0, FAILURE_MAX_CHARS));
}

/** Whether the window is of the program or of one that it started: each launched one leads a session of the kernel's of its own. */
function isOf({ pid }: DesktopWindow, { identity }: Child): boolean {
  let entry = pid === null ? undefined : findProcess(pid);
  for (let depth = 0; entry && depth < ANCESTORS_MAX; depth++) {
    if (entry.pid === identity?.pid || entry.session === identity?.pid) return true;
    entry = findProcess(entry.parent);
  }
  return false;
}
