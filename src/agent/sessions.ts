import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { SessionReport, SessionSpec } from '../protocol/session.ts';
import type { RunningSession, Runtime, SessionMedia } from './runtimes/runtime.ts';
import { STARTS_AT_ONCE, StartTurns } from './start-turns.ts';

type Entry =
  /** Waits for its turn, or for what it needs before. */
  | { state: 'pending'; abort: AbortController; ended: Promise<void> }
  | { state: 'starting'; abort: AbortController; ended: Promise<void> }
  | { state: 'live'; session: RunningSession; endHealth: () => void; isPaused: boolean }
  | { state: 'stopping'; ended: Promise<void> }
  | { state: 'hibernating'; ended: Promise<void> }
  | { state: 'failed'; report: SessionReport };

interface Ending {
  meanwhile: 'stopping' | 'hibernating';
  finally: 'stopped' | 'hibernated';
}
const STOPPING: Ending = { meanwhile: 'stopping', finally: 'stopped' };
const HIBERNATING: Ending = { meanwhile: 'hibernating', finally: 'hibernated' };

export interface SessionTableOptions {
  maxSessions: number;
  /** Starts under way at once; further ones wait. */
  startsAtOnce?: number;
  log: Logger;
  /** Told of every change of a session on this host. */
  onReport: (report: SessionReport) => void;
}

export interface StartWish {
  /** How long it may take, without the time for which it waits for its turn. */
  timeoutMs: number;
  /** Told of each stage in words fit for a user. */
  onProgress: (message: string) => void;
  /** Told when it has to wait for starts before it, at each change of their number, and of 0 when its turn has come. */
  onWait: (startsBefore: number) => void;
}

/** The sessions of this host and what they are doing; owns them. */
export class SessionTable {
  readonly #runtime: Runtime;
  readonly #options: SessionTableOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #turns: StartTurns;

  constructor(runtime: Runtime, options: SessionTableOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#turns = new StartTurns(options.startsAtOnce ?? STARTS_AT_ONCE);
  }

  /**
   * Resolves once the session runs; it may have to wait for other starts first. Starting one that runs already is fine, so that a
   * repeated command does no harm.
   */
  async start(sessionId: string, spec: SessionSpec, wish: StartWish): Promise<void> {
    const entry = this.#entries.get(sessionId);
    if (entry && entry.state !== 'failed') {
      if (entry.state === 'live') return;
      throw new GatewayError('CONFLICT', `session ${sessionId} is ${entry.state} on this host`);
    }
    if (this.count >= this.#options.maxSessions) {
      throw new GatewayError(
        'SESSION_LIMIT',
        `this host runs ${this.count} sessions, as many as it may; stop one, or raise --max-sessions`,
      );
    }
    const abort = new AbortController();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#entries.set(sessionId, { state: 'pending', abort, ended });
    const onTurn = (): void => {
      this.#entries.set(sessionId, { state: 'starting', abort, ended });
      this.#report({ sessionId, state: 'starting' });
    };
    try {
      this.#take(await this.#startInTurn(sessionId, spec, wish, { signal: abort.signal, onTurn }));
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      this.#fail({ sessionId, state: 'failed', reason: { code, message: message.slice(0, 4096) } });
      throw thrown;
    } finally {
      end();
    }
  }

  /** Takes over a session that runs already. */
  adopt(session: RunningSession): void {
    this.#take(session);
  }

  /** Resolves once nothing of the session is left but its home. Stopping one that isn't there is fine. */
  stop(sessionId: string): Promise<void> {
    return this.#end(sessionId, STOPPING);
  }

  /** As `stop`, for a session that is to be started again on its home: it is told as hibernating and hibernated. */
  hibernate(sessionId: string): Promise<void> {
    return this.#end(sessionId, HIBERNATING);
  }

  /**
   * Resolves once nothing in the session runs; one that is paused already is fine.
   * @throws GatewayError SESSION_NOT_FOUND | SESSION_NOT_RUNNING
   */
  async pause(sessionId: string): Promise<void> {
    const entry = this.#getLive(sessionId);
    if (entry.isPaused) return;
    await entry.session.pause();
    this.#setPaused(sessionId, true);
  }

  /** Resolves once it goes on. @throws GatewayError SESSION_NOT_FOUND | SESSION_NOT_RUNNING */
  async resume(sessionId: string): Promise<void> {
    const entry = this.#getLive(sessionId);
    if (!entry.isPaused) return;
    await entry.session.resume();
    this.#setPaused(sessionId, false);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((sessionId) => this.stop(sessionId)));
  }

  /** @throws GatewayError SESSION_NOT_FOUND | SESSION_NOT_RUNNING */
  getRunning(sessionId: string): RunningSession {
    const entry = this.#entries.get(sessionId);
    if (!entry) throw new GatewayError('SESSION_NOT_FOUND', `session ${sessionId} is not on this host`);
    if (entry.state === 'live' && entry.isPaused)
      throw new GatewayError('SESSION_NOT_RUNNING', `session ${sessionId} is paused; it opens once it is resumed`);
    if (entry.state !== 'live' || entry.session.health.state !== 'running') {
      throw new GatewayError('SESSION_NOT_RUNNING', `session ${sessionId} is not running now; try again in a moment`);
    }
    return entry.session;
  }

  /** Where a session's streamer takes media; undefined where it isn't there now, or can't be reached. */
  findMedia(sessionId: string): SessionMedia | undefined {
    const entry = this.#entries.get(sessionId);
    return entry?.state === 'live' ? entry.session.media : undefined;
  }

  /** How many sessions take up room here; failed ones hold nothing any more. */
  get count(): number {
    return [...this.#entries.values()].filter((entry) => entry.state !== 'failed').length;
  }

  inventory(): SessionReport[] {
    return [...this.#entries].map(([sessionId, entry]) => reportOf(sessionId, entry));
  }

  async #end(sessionId: string, ending: Ending): Promise<void> {
    const entry = this.#entries.get(sessionId);
    if (!entry) return;
    if (entry.state === 'pending' || entry.state === 'starting') {
      entry.abort.abort(new GatewayError('SESSION_ENDED', `session ${sessionId} was stopped while it started`));
      await entry.ended;
      return this.#end(sessionId, ending);
    }
    if (entry.state === 'stopping' || entry.state === 'hibernating') return entry.ended;
    if (entry.state === 'failed') {
      this.#entries.delete(sessionId);
      return;
    }
    entry.endHealth();
    const ended = entry.session.stop();
    this.#entries.set(sessionId, { state: ending.meanwhile, ended });
    this.#report({ sessionId, state: ending.meanwhile });
    await ended;
    this.#entries.delete(sessionId);
    this.#report({ sessionId, state: ending.finally });
  }

  #getLive(sessionId: string): Extract<Entry, { state: 'live' }> {
    const entry = this.#entries.get(sessionId);
    if (!entry) throw new GatewayError('SESSION_NOT_FOUND', `session ${sessionId} is not on this host`);
    if (entry.state !== 'live')
      throw new GatewayError('SESSION_NOT_RUNNING', `session ${sessionId} is ${entry.state} on this host`);
    return entry;
  }

  /** Told once, whether the runtime told it by the session's health already or leaves that to its caller. */
  #setPaused(sessionId: string, isPaused: boolean): void {
    const entry = this.#entries.get(sessionId);
    if (entry?.state !== 'live' || entry.isPaused === isPaused) return;
    entry.isPaused = isPaused;
    this.#report(reportOf(sessionId, entry));
  }

  async #startInTurn(
    sessionId: string,
    spec: SessionSpec,
    { timeoutMs, onProgress, onWait }: StartWish,
    { signal, onTurn }: { signal: AbortSignal; onTurn: () => void },
  ): Promise<RunningSession> {
    const within = (ms: number): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    const began = performance.now();
    await this.#runtime.prepare?.(spec, { signal: within(timeoutMs), onProgress });
    const leftMs = Math.max(1, Math.ceil(timeoutMs - (performance.now() - began)));
    using _turn = await this.#turns.take(signal, onWait);
    onTurn();
    // Its clock stood still while it waited.
    return await this.#runtime.start(sessionId, spec, { signal: within(leftMs), onProgress });
  }

  #take(session: RunningSession): void {
    const { sessionId } = session;
    const endHealth = session.onHealth(() => this.#onHealth(sessionId));
    const entry: Entry = { state: 'live', session, endHealth, isPaused: session.health.state === 'paused' };
    this.#entries.set(sessionId, entry);
    this.#report(reportOf(sessionId, entry));
  }

  #onHealth(sessionId: string): void {
    const entry = this.#entries.get(sessionId);
    if (entry?.state !== 'live') return;
    const { state } = entry.session.health;
    if (state === 'paused' || state === 'running') entry.isPaused = state === 'paused';
    const report = reportOf(sessionId, entry);
    if (report.state !== 'failed') {
      this.#report(report);
      return;
    }
    entry.endHealth();
    this.#fail(report);
    entry.session
      .stop()
      .catch((error: unknown) =>
        this.#options.log.error({ err: error, sessionId }, 'a failed session could not be cleaned up'),
      );
  }

  #fail(report: SessionReport): void {
    this.#entries.set(report.sessionId, { state: 'failed', report });
    this.#report(report);
  }

  #report(report: SessionReport): void {
    this.#options.log.info({ sessionId: report.sessionId, state: report.state, reason: report.reason }, 'session');
    this.#options.onReport(report);
  }
}

function reportOf(sessionId: string, entry: Entry): SessionReport {
  if (entry.state === 'failed') return entry.report;
  if (entry.state !== 'live') return { sessionId, state: entry.state };
  const { health, streamer } = entry.session;
  if (entry.isPaused && health.state !== 'failed') return { sessionId, state: 'paused', streamer };
  switch (health.state) {
    case 'paused':
    case 'running':
      return { sessionId, state: 'running', streamer };
    case 'starting':
      return { sessionId, state: 'starting', streamer, reason: health.reason };
    case 'failed':
      return {
        sessionId,
        state: 'failed',
        streamer,
        reason: health.reason,
        logTail: health.logTail,
        ...(health.exitCode !== undefined && { exitCode: health.exitCode }),
      };
  }
}
