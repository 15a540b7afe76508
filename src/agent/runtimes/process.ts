import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Environment } from '../../config.ts';
import { homeFolderOf, makeHomeFolder, makeSessionFolder, removeHomeFolder } from '../../desktop/folder.ts';
import { findDesktopPrograms } from '../../desktop/programs.ts';
import { findState, replaceOrder, watchStates, writeOrder, type DesktopState } from '../../desktop/state.ts';
import { GatewayError, isFailureCode, messageOf } from '../../errors.ts';
import { findStreamer } from '../../neko/find.ts';
import { AdoptedProcess } from '../../process/adopted.ts';
import { Child } from '../../process/child.ts';
import { isFrozen } from '../../process/freeze.ts';
import type { SocketClaim } from '../../process/socket-claim.ts';
import { SESSION_DIR_VARIABLE } from '../../process/sweep.ts';
import { identityOf } from '../../process/table.ts';
import { Resources, type SessionSpec } from '../../protocol/session.ts';
import { claimHome } from '../home-claims.ts';
import { claimSlot, DEFAULT_SLOTS, reclaimSlot, type SlotOptions } from '../slots.ts';
import { endLeftovers, endLeftoversOfDead, findOrphans, type Orphan } from './process-leftovers.ts';
import { ProcessSession } from './process-session.ts';
import type { RunningSession, Runtime, SessionHealth, StartOptions } from './runtime.ts';

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

const NO_LIMITS = JSON.stringify(Resources.parse({}));

/** Runs each session as a `nekogate desktop` process with a folder and a slot of ports of its own. */
export class ProcessRuntime implements Runtime {
  readonly name = 'process';
  readonly udpPorts: Runtime['udpPorts'];
  readonly #options: ProcessRuntimeOptions;

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    const { udpBase, udpSize, count } = options.slots ?? DEFAULT_SLOTS;
    this.udpPorts = { min: udpBase, max: udpBase + udpSize * count - 1 };
  }

  async recover(): Promise<RunningSession[]> {
    const { environment, log } = this.#options;
    // First what runs: its logins have seconds.
    const orphans = await findOrphans(environment.runtimeDir);
    const adopted = await Promise.all(orphans.map((orphan) => this.#adopt(orphan)));
    const ended = await endLeftoversOfDead(environment.runtimeDir);
    if (ended.length > 0) log.warn({ sessions: ended }, 'ended what was left of sessions of an earlier agent');
    return adopted.filter((session) => session !== undefined);
  }

  async start(sessionId: string, spec: SessionSpec, { signal, onProgress }: StartOptions): Promise<RunningSession> {
    const { environment, log } = this.#options;
    signal.throwIfAborted();
    refuseContainerWishes(spec);
    findDesktopPrograms(environment.path);
    const streamer = findStreamer(environment).kind;
    await using opening = new AsyncDisposableStack();
    const slot = opening.adopt(await claimSlot(this.#options.slots ?? DEFAULT_SLOTS), (claimed) => claimed.release());
    if (spec.home !== undefined) opening.adopt(await this.#claimHome(spec.home), (claimed) => claimed.release());
    const folder = opening.adopt(makeSessionFolder(environment.runtimeDir), endLeftovers);
    const adminPassword = randomBytes(24).toString('base64url');
    await writeOrder(folder, {
      sessionId,
      owner: identityOf(process.pid),
      spec,
      ports: slot.ports,
      nat1to1: [...(this.#options.nat1to1 ?? [])],
      ...(spec.home !== undefined && { home: makeHomeFolder(environment.dataDir, spec.home) }),
      adminPassword,
    });
    try {
      const until = (_child: Child, untilExit: AbortSignal) => untilRunning(folder, onProgress, untilExit);
      const child = await Child.start(desktopProcess(folder, environment), until, signal);
      const { identity } = child;
      if (!identity) throw new GatewayError('SESSION_START_FAILED', 'the desktop was ready and had no process');
      const neko = { baseUrl: `http://127.0.0.1:${slot.ports.http}`, adminPassword };
      const owned = opening.move();
      return new ProcessSession(
        { sessionId, streamer, neko, media: { udp: slot.ports.udp }, folder },
        { desktop: child, identity, owned, log },
      );
    } catch (cause) {
      signal.throwIfAborted();
      throw failureOf(await findState(folder), cause);
    }
  }

  async removeHome(home: string): Promise<void> {
    const claim = await this.#claimHome(home);
    try {
      await removeHomeFolder(this.#options.environment.dataDir, home);
    } finally {
      await claim.release();
    }
  }

  /** Other agents of this host may have other data folders. */
  #claimHome(home: string): Promise<SocketClaim> {
    const folder = homeFolderOf(this.#options.environment.dataDir, home);
    return claimHome(home, createHash('sha256').update(folder).digest('hex').slice(0, 16));
  }

  /** @returns undefined when another agent was quicker */
  async #adopt({ folder, order, state }: Orphan): Promise<RunningSession | undefined> {
    const { log } = this.#options;
    const { sessionId, ports, adminPassword, spec } = order;
    await using taking = new AsyncDisposableStack();
    // Who has the slot has the session: of two agents that start at once, one gets it.
    const slot = await reclaimSlot(ports);
    if (!slot) {
      log.warn({ sessionId, ports }, 'a session is left alone: its ports are claimed by somebody else');
      return undefined;
    }
    taking.defer(() => slot.release());
    if (spec.home !== undefined) taking.adopt(await this.#claimHome(spec.home), (claimed) => claimed.release());
    await replaceOrder(folder, { ...order, owner: identityOf(process.pid) });
    const desktop = new AdoptedProcess(state.process, {
      name: DESKTOP_NAME,
      logFile: logFileOf(folder),
      stopGraceMs: DESKTOP_STOP_GRACE_MS,
    });
    log.info({ sessionId, pid: state.process.pid }, 'took over a session of an earlier agent');
    const { kind, baseUrl } = state.streamer;
    const owned = taking.move();
    owned.adopt(folder, endLeftovers);
    return new ProcessSession(
      {
        sessionId,
        streamer: kind,
        neko: { baseUrl, adminPassword },
        media: { udp: ports.udp },
        folder,
        health: healthOf(state),
        isPaused: isFrozen(state.process),
      },
      { desktop, identity: state.process, owned, log },
    );
  }
}

/** What was asked for and can't be had is refused: nobody should believe in a limit that isn't there. */
function refuseContainerWishes({ image, mounts, resources }: SessionSpec): void {
  const wish =
    image !== undefined
      ? `the image ${image}`
      : mounts.length > 0
        ? 'folders of the host'
        : JSON.stringify(resources) === NO_LIMITS
          ? undefined
          : 'resource limits';
  if (wish === undefined) return;
  throw new GatewayError(
    'BAD_REQUEST',
    `this host runs sessions as its own processes, for which ${wish} can't be had; leave it out, or name an agent that runs with --runtime docker`,
  );
}

const DESKTOP_NAME = 'the desktop';

/** Kept in the session's folder and not read by the agent: a pipe to it would end the desktop with the agent. */
function logFileOf(folder: string): string {
  return join(folder, 'desktop.log');
}

function healthOf({ state, stage, reason }: DesktopState): SessionHealth {
  if (state === 'running') return { state };
  return { state: 'starting', reason: reason ?? { code: 'PART_LOST', message: stage ?? 'the desktop starts' } };
}

function desktopProcess(folder: string, environment: Environment) {
  return {
    name: DESKTOP_NAME,
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
    logFile: logFileOf(folder),
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
  return new GatewayError('SESSION_START_FAILED', messageOf(cause), { cause });
}
