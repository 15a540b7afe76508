import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Environment } from '../../config.ts';
import { makeSessionFolder } from '../../desktop/folder.ts';
import { findDesktopPrograms } from '../../desktop/programs.ts';
import { findState, watchStates, writeOrder, type DesktopState } from '../../desktop/state.ts';
import { GatewayError, isFailureCode } from '../../errors.ts';
import { findStreamer } from '../../neko/find.ts';
import { Child } from '../../process/child.ts';
import { SESSION_DIR_VARIABLE } from '../../process/sweep.ts';
import { identityOf } from '../../process/table.ts';
import type { SessionSpec } from '../../protocol/session.ts';
import { claimSlot, DEFAULT_SLOTS, type SlotOptions } from '../slots.ts';
import { endLeftovers, endOrphans } from './process-leftovers.ts';
import { ProcessSession } from './process-session.ts';
import type { RunningSession, Runtime, StartOptions } from './runtime.ts';

export interface ProcessRuntimeOptions {
  environment: Environment;
  log: Logger;
  /** Addresses that viewers are to send media to; empty, the interfaces' own. */
  nat1to1?: readonly string[];
  slots?: SlotOptions;
}

/** A desktop has deadlines of its own for each part, and tells more when it fails by one; this is for one that hangs. */
const DESKTOP_READY_MS = 120_000;
/** A desktop ends its parts one after another, each with a grace of its own; only one that hangs takes longer. */
const DESKTOP_STOP_GRACE_MS = 20_000;

/** Runs each session as a `nekogate desktop` process with a folder and a slot of ports of its own. */
export class ProcessRuntime implements Runtime {
  readonly name = 'process';
  readonly #options: ProcessRuntimeOptions;

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
  }

  recover(): Promise<string[]> {
    return endOrphans(this.#options.environment.runtimeDir);
  }

  async start(sessionId: string, spec: SessionSpec, { signal, onProgress }: StartOptions): Promise<RunningSession> {
    const { environment, log } = this.#options;
    signal.throwIfAborted();
    findDesktopPrograms(environment.path);
    const streamer = findStreamer(environment).kind;
    await using opening = new AsyncDisposableStack();
    const slot = opening.adopt(await claimSlot(this.#options.slots ?? DEFAULT_SLOTS), (claimed) => claimed.release());
    const folder = opening.adopt(makeSessionFolder(environment.runtimeDir), endLeftovers);
    const adminPassword = randomBytes(24).toString('base64url');
    await writeOrder(folder, {
      sessionId,
      owner: identityOf(process.pid),
      spec,
      ports: slot.ports,
      nat1to1: [...(this.#options.nat1to1 ?? [])],
      adminPassword,
    });
    try {
      const until = (_child: Child, untilExit: AbortSignal) => untilRunning(folder, onProgress, untilExit);
      const child = await Child.start(desktopProcess(folder, environment), until, signal);
      const neko = { baseUrl: `http://127.0.0.1:${slot.ports.http}`, adminPassword };
      const owned = opening.move();
      return new ProcessSession({ sessionId, streamer, neko, folder }, { child, owned, log });
    } catch (cause) {
      signal.throwIfAborted();
      throw failureOf(await findState(folder), cause);
    }
  }
}

function desktopProcess(folder: string, environment: Environment) {
  return {
    name: 'the desktop',
    file: process.execPath,
    args: [cliEntry(), 'desktop', '--dir', folder],
    env: {
      ...environment.inheritable,
      PATH: environment.path,
      NEKOGATE_LOG_LEVEL: environment.logLevel,
      [SESSION_DIR_VARIABLE]: folder,
      ...(environment.nekoBin === undefined ? {} : { NEKO_BIN: environment.nekoBin }),
    },
    cwd: folder,
    readyMs: DESKTOP_READY_MS,
    stopGraceMs: DESKTOP_STOP_GRACE_MS,
  };
}

/** In the source tree and in the built package alike. */
function cliEntry(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../../cli/main.${extension}`, import.meta.url));
}

async function untilRunning(folder: string, onProgress: (stage: string) => void, signal: AbortSignal): Promise<void> {
  let told: string | undefined;
  for await (const { state, stage, reason } of watchStates(folder, signal)) {
    if (state === 'running') return;
    const progress = reason?.message ?? stage;
    if (progress !== undefined && progress !== told) onProgress(progress);
    told = progress;
  }
}

/** What a desktop said of its end, or else how it was seen to end. */
function failureOf(state: DesktopState | undefined, cause: unknown): GatewayError {
  const reason = state?.reason;
  if (reason && isFailureCode(reason.code)) return new GatewayError(reason.code, reason.message, { cause });
  const message = cause instanceof Error ? cause.message : String(cause);
  return new GatewayError('SESSION_START_FAILED', message, { cause });
}
