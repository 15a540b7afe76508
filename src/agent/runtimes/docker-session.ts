import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { toolsSecretOf } from '../../desktop/container-tools.ts';
import { vncPasswordOf } from '../../desktop/container-vnc.ts';
import { RestartPolicy, type RestartLimits } from '../../desktop/restart-policy.ts';
import type { ToolsAddress } from '../../desktop/tools/service.ts';
import { toGatewayError } from '../../errors.ts';
import type { Failure, SessionSpec } from '../../protocol/session.ts';
import { describeEnd } from '../docker/ends.ts';
import type { DockerEngine } from '../docker/engine.ts';
import { isUnavailable } from '../docker/failures.ts';
import { baseUrlOf, isAlive, isReady, LOG_TAIL_LINES } from '../docker/readiness.ts';
import type { ContainerFacts } from '../docker/replies.ts';
import type { UdpPorts } from '../docker/udp-slices.ts';
import type { VncAddress } from '../vnc/server.ts';
import type { RunningSession, SessionHealth, SessionMedia } from './runtime.ts';

/** Time between two looks at a neko that is well, and at one that is not. */
const WELL_POLL_MS = 3000;
const ILL_POLL_MS = 250;
/** A container whose neko shows nothing for so long is killed, and so started anew by the policy: what supervises inside it had its chance. */
const ILL_MAX_MS = 90_000;

/** A container that ends so soon after the kernel ended something in it for want of memory ended for that. */
const OUT_OF_MEMORY_MS = 10_000;
const SIGKILL_EXIT_CODE = 137;

export interface DockerSessionFacts {
  sessionId: string;
  containerId: string;
  streamer: 'neko' | 'embedded';
  folder: string;
  adminPassword: string;
  /** Of its VNC server, where its image has one. */
  vncPort: number | undefined;
  /** Of its desktop's tools, where its image has them. */
  toolsPort: number | undefined;
  memoryMb: number;
  mounts: SessionSpec['mounts'];
  ports: UdpPorts;
  /** Where its neko answered last; empty when that isn't known. */
  baseUrl: string;
  health: SessionHealth;
}

export interface DockerSessionParts {
  engine: DockerEngine;
  limits: RestartLimits;
  /** Container, network, folder and ports. */
  owned: AsyncDisposableStack;
  /** Called before its container is started again; throws when it may not be, any more. */
  beforeStart: () => void;
  log: Logger;
}

/**
 * One session of the docker runtime. It is told by `look` that something may have happened to its container, and looks at neko by itself. A
 * container that ended is started again, later and later, until there is no point; then nothing of it is left but its home.
 */
export class DockerSession implements RunningSession {
  readonly sessionId: string;
  readonly containerId: string;
  readonly streamer: 'neko' | 'embedded';
  readonly folder: string;
  readonly #adminPassword: string;
  readonly #vncPort: number | undefined;
  readonly #toolsPort: number | undefined;
  readonly #memoryMb: number;
  readonly #ports: UdpPorts;
  readonly #parts: DockerSessionParts;
  readonly #policy: RestartPolicy;
  readonly #listeners = new Set<(health: SessionHealth) => void>();
  readonly #ending = new AbortController();
  readonly #kept: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #isLookDue: boolean;
  #outOfMemoryAt = -Infinity;
  #illSince: number | undefined;
  #baseUrl: string;
  #health: SessionHealth;
  #cleaning: Promise<void> | undefined;

  constructor(facts: DockerSessionFacts, parts: DockerSessionParts) {
    this.sessionId = facts.sessionId;
    this.containerId = facts.containerId;
    this.streamer = facts.streamer;
    this.folder = facts.folder;
    this.#adminPassword = facts.adminPassword;
    this.#vncPort = facts.vncPort;
    this.#toolsPort = facts.toolsPort;
    this.#memoryMb = facts.memoryMb;
    this.#ports = facts.ports;
    this.#baseUrl = facts.baseUrl;
    this.#health = facts.health;
    this.#isLookDue = facts.health.state !== 'running';
    this.#parts = parts;
    this.#policy = new RestartPolicy(parts.limits);
    this.#kept = this.#keep();
  }

  /** Its address may be another one after a restart of its container. */
  get neko(): { baseUrl: string; adminPassword: string } {
    return { baseUrl: this.#baseUrl, adminPassword: this.#adminPassword };
  }

  get vnc(): VncAddress | undefined {
    if (this.#vncPort === undefined || this.#baseUrl === '') return undefined;
    const at = { host: new URL(this.#baseUrl).hostname, port: this.#vncPort };
    return { at, password: vncPasswordOf(this.#adminPassword) };
  }

  get tools(): ToolsAddress | undefined {
    if (this.#toolsPort === undefined || this.#baseUrl === '') return undefined;
    const host = new URL(this.#baseUrl).hostname;
    return { host, port: this.#toolsPort, secret: toolsSecretOf(this.#adminPassword) };
  }

  get media(): SessionMedia | undefined {
    return this.#baseUrl === '' ? undefined : { address: new URL(this.#baseUrl).hostname, udp: this.#ports };
  }

  get health(): SessionHealth {
    return this.#health;
  }

  onHealth(listener: (health: SessionHealth) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Its container may have ended, or been paused or removed, by whomever. */
  look(): void {
    this.#isLookDue = true;
    this.#wake.resolve();
  }

  /** The kernel ended something in its container for want of memory; if the container ends now, that is why. */
  noteOutOfMemory(): void {
    this.#outOfMemoryAt = performance.now();
    this.#parts.log.warn(
      { sessionId: this.sessionId, memoryMb: this.#memoryMb },
      'a program of this session was ended for want of memory',
    );
  }

  async pause(): Promise<void> {
    if (this.#health.state === 'paused') return;
    await this.#parts.engine.pause(this.containerId);
    this.#set({ state: 'paused' });
  }

  async resume(): Promise<void> {
    if (this.#health.state !== 'paused') return;
    await this.#parts.engine.unpause(this.containerId);
    this.#illSince = undefined;
    this.#set({ state: 'running' });
  }

  stop(): Promise<void> {
    this.#ending.abort();
    return this.#clean();
  }

  /** Leaves the container running, for the next agent; only what watches it ends. */
  async leave(): Promise<void> {
    this.#ending.abort();
    await this.#kept;
  }

  /** Idempotent, since a session may be stopped while it fails. */
  #clean(): Promise<void> {
    return (this.#cleaning ??= (async () => {
      await this.#kept;
      await this.#parts.owned.disposeAsync();
    })());
  }

  async #keep(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        if (this.#isLookDue) await this.#lookAtContainer();
        else await this.#lookAtNeko();
        if (this.#health.state === 'failed') return;
        await this.#pauseBetweenLooks(signal);
      } catch (thrown) {
        if (signal.aborted) return;
        // The daemon is away or in trouble: what runs goes on, and whoever watches the daemon says when to look again.
        this.#parts.log.warn(
          { err: toGatewayError(thrown), sessionId: this.sessionId },
          'a container could not be looked at',
        );
        await sleep(WELL_POLL_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #pauseBetweenLooks(signal: AbortSignal): Promise<void> {
    const isIll = this.#health.state === 'starting' || this.#illSince !== undefined;
    const ms = isIll ? ILL_POLL_MS : WELL_POLL_MS;
    const woken = new AbortController();
    try {
      await Promise.race([
        sleep(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) }),
        this.#wake.promise,
      ]);
    } finally {
      woken.abort();
      this.#wake = Promise.withResolvers();
    }
  }

  async #lookAtContainer(): Promise<void> {
    this.#isLookDue = false;
    try {
      const facts = await this.#parts.engine.inspect(this.containerId);
      if (!facts?.isRunning) return await this.#onEnd(facts);
      if (facts.isPaused) return this.#set({ state: 'paused' });
      if (this.#health.state === 'paused') this.#set({ state: 'running' });
      if (facts.address !== undefined) this.#baseUrl = baseUrlOf(facts.address);
    } catch (thrown) {
      this.#isLookDue = true;
      throw thrown;
    }
  }

  async #lookAtNeko(): Promise<void> {
    if (this.#health.state === 'paused') return;
    const isWell = this.#baseUrl !== '' && (await this.#isWell());
    // It may have been paused while it was asked.
    if (this.#isPaused()) return;
    if (isWell) {
      this.#illSince = undefined;
      this.#set({ state: 'running' });
      return;
    }
    if (this.#illSince === undefined) {
      // One answer that is late says little; the next look is soon.
      this.#illSince = performance.now();
      return;
    }
    if (this.#health.state === 'running') {
      this.#isLookDue = true;
      this.#set({
        state: 'starting',
        reason: { code: 'STREAMER_LOST', message: 'neko does not answer in its container' },
      });
    }
    if (performance.now() - this.#illSince < ILL_MAX_MS) return;
    this.#illSince = undefined;
    this.#parts.log.warn(
      { sessionId: this.sessionId },
      `neko did not answer for ${ILL_MAX_MS / 1000} s; its container is killed and started anew`,
    );
    await this.#parts.engine.kill(this.containerId);
  }

  /** A neko that was well is asked for less: a screenshot takes 30 ms of its processor. */
  #isWell(): Promise<boolean> {
    const { signal } = this.#ending;
    return this.#health.state === 'running' ? isAlive(this.neko, signal) : isReady(this.neko, signal);
  }

  #isPaused(): boolean {
    return this.#health.state === 'paused';
  }

  async #onEnd(facts: ContainerFacts | undefined): Promise<void> {
    const end = describeEnd(facts && { ...facts, isOutOfMemory: this.#isOutOfMemory(facts) }, this.#memoryMb);
    this.#illSince = undefined;
    const delay = facts && this.#policy.next(facts.livedMs);
    if (delay === undefined) {
      const message = facts ? `${end.message}, and again after every restart` : end.message;
      return this.#fail(facts, { code: end.code, message });
    }
    this.#parts.log.warn({ sessionId: this.sessionId, reason: end }, 'a container ended and is started again');
    this.#set({ state: 'starting', reason: end });
    const failure = await this.#startAgain(delay);
    if (failure)
      await this.#fail(facts, {
        ...failure,
        message: `${end.message}, and can't be started again: ${failure.message}`,
      });
    else this.#isLookDue = true;
  }

  /**
   * Starts the container once more; what fails is tried later and later, as often as the policy says: a daemon that shuts down ends its containers, and
   * refuses starts while it does. One that is away doesn't count.
   * @returns why it is given up
   */
  async #startAgain(delayMs: number): Promise<Failure | undefined> {
    const { engine } = this.#parts;
    for (let waitMs: number | undefined = delayMs; ;) {
      await sleep(waitMs, undefined, { signal: this.#ending.signal });
      try {
        this.#parts.beforeStart();
        await engine.start(this.containerId);
        return undefined;
      } catch (thrown) {
        if (isUnavailable(thrown)) {
          waitMs = WELL_POLL_MS;
          continue;
        }
        // Removed with force it ends first, and is gone a moment later.
        const now = await engine.inspect(this.containerId).catch(() => ({ isGoing: false }));
        if (!now || now.isGoing) return describeEnd(undefined, this.#memoryMb);
        waitMs = this.#policy.next(0);
        const { code, message } = toGatewayError(thrown);
        if (waitMs === undefined) return { code, message };
      }
    }
  }

  /** The daemon's own flag is up since any program in it was ended so, though it may have run on for days. */
  #isOutOfMemory({ isOutOfMemory, exitCode }: ContainerFacts): boolean {
    return (
      performance.now() - this.#outOfMemoryAt < OUT_OF_MEMORY_MS || (isOutOfMemory && exitCode === SIGKILL_EXIT_CODE)
    );
  }

  async #fail(facts: ContainerFacts | undefined, reason: Failure): Promise<void> {
    const { engine, log } = this.#parts;
    const logTail = facts ? await engine.logTail(this.containerId, LOG_TAIL_LINES) : [];
    // Whoever stops it cleans, and waits for this.
    if (this.#ending.signal.aborted) return;
    this.#cleaning ??= this.#parts.owned.disposeAsync();
    await this.#cleaning.catch((error: unknown) =>
      log.error({ err: error, sessionId: this.sessionId }, 'a failed container could not be cleaned up'),
    );
    this.#set({
      state: 'failed',
      reason,
      logTail: logTail.map((line) => line.slice(0, 2048)),
      ...(facts && { exitCode: facts.exitCode }),
    });
  }

  #set(health: SessionHealth): void {
    if (this.#ending.signal.aborted || JSON.stringify(health) === JSON.stringify(this.#health)) return;
    this.#health = health;
    for (const listener of this.#listeners) listener(health);
  }
}
