import type { Logger } from 'pino';
import { rfbSocketOf, toolsSocketOf } from '../../desktop/environment.ts';
import { sessionFolder } from '../../desktop/folder.ts';
import { findState, watchStates } from '../../desktop/state.ts';
import type { ToolsAddress } from '../../desktop/tools/service.ts';
import { describeExit, type Supervised } from '../../process/child.ts';
import { freezeSession, thawSession } from '../../process/freeze.ts';
import type { ProcessIdentity } from '../../process/table.ts';
import type { RunningSession, SessionHealth, SessionMedia } from './runtime.ts';
import type { VncAddress } from '../vnc/server.ts';

export interface ProcessSessionParts {
  /** The desktop's process. */
  desktop: Supervised;
  identity: ProcessIdentity;
  /** What else the session has: its folder, with all processes in it, and its ports. */
  owned: AsyncDisposableStack;
  log: Logger;
}

const LOG_TAIL_LINES = 40;

/**
 * One session of the process runtime: a desktop's process, watched by the file in which it says how it is. When that process ends
 * without being told to, killed or failed, the session is failed and all that is left of it is ended: a desktop that lost
 * its supervisor can't be trusted with its parts, and starting another one is its owner's choice.
 */
export class ProcessSession implements RunningSession {
  readonly sessionId: string;
  readonly streamer: 'neko' | 'embedded';
  readonly neko: { readonly baseUrl: string; readonly adminPassword: string };
  readonly media: SessionMedia | undefined;
  readonly vnc: VncAddress;
  readonly tools: ToolsAddress;
  readonly folder: string;
  readonly #parts: ProcessSessionParts;
  readonly #listeners = new Set<(health: SessionHealth) => void>();
  readonly #watching = new AbortController();
  readonly #watched: Promise<void>;
  /** As the desktop last said. */
  #said: SessionHealth;
  #isPaused: boolean;
  /** Outwardly, as it was told last. */
  #health: SessionHealth;
  /** Pauses and resumes one after another. */
  #turn: Promise<void> = Promise.resolve();
  #cleaning: Promise<void> | undefined;

  constructor(
    session: Pick<RunningSession, 'sessionId' | 'streamer' | 'neko' | 'media' | 'folder'> & {
      health?: SessionHealth;
      isPaused?: boolean;
    },
    parts: ProcessSessionParts,
  ) {
    this.sessionId = session.sessionId;
    this.streamer = session.streamer;
    this.neko = session.neko;
    this.media = session.media;
    this.folder = session.folder;
    const folder = sessionFolder(session.folder);
    this.vnc = { at: { path: rfbSocketOf(folder) } };
    this.tools = { path: toolsSocketOf(folder) };
    this.#said = session.health ?? { state: 'running' };
    this.#isPaused = session.isPaused ?? false;
    this.#health = this.#outward();
    this.#parts = parts;
    this.#watched = this.#watch();
    void this.#untilLost();
  }

  get health(): SessionHealth {
    return this.#health;
  }

  onHealth(listener: (health: SessionHealth) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isPaused || this.#cleaning) return;
      await freezeSession(this.folder, this.#parts.identity);
      this.#isPaused = true;
      this.#tell();
    });
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      this.#thaw();
      this.#tell();
    });
  }

  stop(): Promise<void> {
    this.#watching.abort();
    return this.#clean();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Idempotent, since a session may be stopped while it fails. */
  #clean(): Promise<void> {
    return (this.#cleaning ??= (async () => {
      await this.#turn;
      // What is frozen can't end by itself.
      this.#thaw();
      await this.#parts.desktop.stop();
      await this.#watched;
      await this.#parts.owned.disposeAsync();
    })());
  }

  async #watch(): Promise<void> {
    try {
      for await (const { state, reason } of watchStates(this.folder, this.#watching.signal)) {
        // Its process ends right after it has failed, and the session with it.
        if (state === 'failed') return;
        if (state === 'running') this.#set({ state });
        else if (reason) this.#set({ state, reason });
      }
    } catch (error) {
      if (!this.#watching.signal.aborted) this.#parts.log.error({ err: error }, 'a desktop is not watched any more');
    }
  }

  async #untilLost(): Promise<void> {
    const exit = await this.#parts.desktop.exited;
    if (this.#watching.signal.aborted) return;
    this.#thaw();
    this.#watching.abort();
    await this.#parts.desktop.stop();
    const last = await findState(this.folder);
    const message = `the desktop's process ${describeExit(exit)}; what was left of it is ended`;
    const failed: SessionHealth =
      last?.state === 'failed' && last.reason
        ? { state: 'failed', reason: last.reason, logTail: last.logTail }
        : {
            state: 'failed',
            reason: { code: 'DESKTOP_FAILED', message },
            logTail: this.#parts.desktop.log.last(LOG_TAIL_LINES),
            ...(exit.kind === 'code' && { exitCode: exit.code }),
          };
    await this.#clean().catch((error: unknown) =>
      this.#parts.log.error({ err: error, sessionId: this.sessionId }, 'a lost desktop could not be cleaned up'),
    );
    this.#set(failed);
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #thaw(): void {
    if (!this.#isPaused) return;
    thawSession(this.folder, this.#parts.identity);
    this.#isPaused = false;
  }

  #set(health: SessionHealth): void {
    this.#said = health;
    this.#tell();
  }

  #outward(): SessionHealth {
    return this.#isPaused && this.#said.state !== 'failed' ? { state: 'paused' } : this.#said;
  }

  #tell(): void {
    const health = this.#outward();
    if (JSON.stringify(health) === JSON.stringify(this.#health)) return;
    this.#health = health;
    for (const listener of this.#listeners) listener(health);
  }
}
