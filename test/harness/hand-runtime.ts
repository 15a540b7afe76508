import { EventEmitter, once } from 'node:events';
import type { RunningSession, Runtime, SessionHealth, StartOptions } from '../../src/agent/runtimes/runtime.ts';
import type { ToolsAddress } from '../../src/desktop/tools/service.ts';
import type { VncAddress } from '../../src/agent/vnc/server.ts';
import type { SessionSpec } from '../../src/protocol/session.ts';

/** A runtime whose sessions start, break and fail when the test says so. */
export class HandRuntime implements Runtime {
  readonly name = 'process';
  readonly udpPorts = { min: 1024, max: 65_535 };
  readonly stopped: string[] = [];
  readonly removedHomes: string[] = [];
  /** In the order in which they were begun. */
  readonly started: string[] = [];
  readonly #events = new EventEmitter();
  /** Starts without their `ready` yet, and the other way round. */
  readonly #starting = new Map<string, PromiseWithResolvers<RunningSession>>();

  /** Resolves once the start of this session has begun. */
  async untilStarted(sessionId: string): Promise<void> {
    while (!this.started.includes(sessionId)) await once(this.#events, 'started');
  }

  /** What a start needs first; nothing, unless the test says so. */
  prepare: NonNullable<Runtime['prepare']> = async () => undefined;

  async recover(): Promise<RunningSession[]> {
    return [];
  }

  async start(sessionId: string, _spec: SessionSpec, { signal }: StartOptions): Promise<RunningSession> {
    signal.throwIfAborted();
    this.started.push(sessionId);
    this.#events.emit('started');
    const start = this.#meet(sessionId);
    signal.addEventListener('abort', () => {
      this.#starting.delete(sessionId);
      start.reject(signal.reason);
    });
    return start.promise;
  }

  async removeHome(home: string): Promise<void> {
    this.removedHomes.push(home);
  }

  isStarting(sessionId: string): boolean {
    return this.#starting.has(sessionId);
  }

  ready(sessionId: string, neko = { baseUrl: 'http://127.0.0.1:1', adminPassword: 'x' }): HandSession {
    const session = new HandSession(sessionId, neko, () => this.stopped.push(sessionId));
    this.#meet(sessionId).resolve(session);
    return session;
  }

  #meet(sessionId: string): PromiseWithResolvers<RunningSession> {
    const known = this.#starting.get(sessionId);
    if (known) {
      this.#starting.delete(sessionId);
      return known;
    }
    const start = Promise.withResolvers<RunningSession>();
    this.#starting.set(sessionId, start);
    return start;
  }
}

export class HandSession implements RunningSession {
  readonly streamer = 'embedded';
  readonly folder = '/nowhere';
  readonly sessionId: string;
  vnc: VncAddress | undefined;
  tools: ToolsAddress | undefined;
  readonly neko: { baseUrl: string; adminPassword: string };
  readonly #onStop: () => void;
  #health: SessionHealth = { state: 'running' };
  #listeners = new Set<(health: SessionHealth) => void>();

  constructor(sessionId: string, neko: { baseUrl: string; adminPassword: string }, onStop: () => void) {
    this.sessionId = sessionId;
    this.neko = neko;
    this.#onStop = onStop;
  }

  get health(): SessionHealth {
    return this.#health;
  }

  set(health: SessionHealth): void {
    this.#health = health;
    for (const listener of this.#listeners) listener(health);
  }

  onHealth(listener: (health: SessionHealth) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async pause(): Promise<void> {
    this.set({ state: 'paused' });
  }

  async resume(): Promise<void> {
    this.set({ state: 'running' });
  }

  async stop(): Promise<void> {
    this.#onStop();
  }
}
