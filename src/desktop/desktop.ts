import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError, messageOf } from '../errors.ts';
import { nekoBaseUrl } from '../neko/process.ts';
import { endSessionProcesses } from '../process/sweep.ts';
import { identityOf } from '../process/table.ts';
import { LOG_TAIL_MAX_LINES, type Failure } from '../protocol/session.ts';
import { rfbSocketOf, toolsSocketOf } from './environment.ts';
import { emptySessionFolder, fillSessionFolder } from './folder.ts';
import type { GivenUp } from './keeper.ts';
import { RestartPolicy } from './restart-policy.ts';
import { audioDeviceOf, DesktopSet, type DesktopPlan } from './set.ts';
import type { DesktopState } from './state.ts';
import { ToolsService } from './tools/service.ts';
import type { XServer } from './x-server.ts';

export interface DesktopOptions {
  /** Told of every change, the first start's stages included. */
  onState: (state: DesktopState) => void;
}

const FAILURE_MAX_CHARS = 4000;
const LOG_LINE_MAX_CHARS = 2000;

/**
 * One desktop under supervision: X server, window manager, sound, streamer and program. What ends is started again; when the X server
 * ends, all of it is. A part that keeps ending makes the desktop fail, and then nothing of it runs any more.
 */
export class Desktop {
  readonly #plan: DesktopPlan;
  readonly #options: DesktopOptions;
  readonly #abort = new AbortController();
  readonly #failed = Promise.withResolvers<GatewayError>();
  #tools: ToolsService | undefined;
  #set: DesktopSet | undefined;
  #loss: string | undefined;
  #end: { reason: Failure; logTail: string[] } | undefined;
  #stage: string | undefined;
  #supervising: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  /**
   * Resolves once the streamer has answered and shown a first picture; leaves no process and no file when it throws.
   * @throws GatewayError SESSION_START_FAILED | NEKO_START_FAILED | DEPENDENCY_MISSING; the signal's reason when that is aborted
   */
  static async start(plan: DesktopPlan, options: DesktopOptions, signal: AbortSignal): Promise<Desktop> {
    const desktop = new Desktop(plan, options);
    try {
      await desktop.#start(signal);
      return desktop;
    } catch (cause) {
      await desktop.stop();
      if (signal.aborted) throw cause;
      const failure =
        cause instanceof GatewayError ? cause : new GatewayError('SESSION_START_FAILED', messageOf(cause), { cause });
      desktop.#conclude(failure, failure.message.split('\n'));
      throw failure;
    }
  }

  private constructor(plan: DesktopPlan, options: DesktopOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  /** Resolves with DESKTOP_FAILED when it was given up and nothing of it runs any more; never if that doesn't happen. */
  get failed(): Promise<GatewayError> {
    return this.#failed.promise;
  }

  get state(): DesktopState {
    const { order, streamer, environment } = this.#plan;
    const set = this.#set;
    const loss = set ? set.loss : this.#loss;
    const reason = this.#end?.reason ?? (loss === undefined ? undefined : { code: 'PART_LOST', message: loss });
    return {
      state: this.#end ? 'failed' : set && loss === undefined ? 'running' : 'starting',
      ...(this.#stage === undefined ? {} : { stage: this.#stage }),
      ...(reason ? { reason } : {}),
      logTail: this.#end?.logTail ?? [],
      streamer: { kind: streamer.kind, baseUrl: nekoBaseUrl({ host: '127.0.0.1', port: order.ports.http }) },
      ...(set ? { display: set.xServer.display } : {}),
      rfbSocket: rfbSocketOf(environment.folder),
      process: identityOf(process.pid),
      parts: set?.parts ?? [],
    };
  }

  /** Ends all of it; resolves once no process and no file of it is left but the folder itself. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { order, environment, tools, log } = this.#plan;
    await fillSessionFolder(environment.folder);
    this.#tools = await ToolsService.start(tools ?? { path: toolsSocketOf(environment.folder) }, {
      spec: order.spec,
      environment,
      getXServer: () => this.#getXServer(),
      audioDevice: audioDeviceOf(this.#plan),
      log,
    });
    this.#set = await this.#startSet(AbortSignal.any([signal, this.#abort.signal]));
    this.#stage = undefined;
    this.#supervising = this.#supervise(this.#set);
    this.#tell();
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    await this.#supervising;
    await this.#clean();
  }

  async #clean(): Promise<void> {
    await this.#tools?.stop();
    await this.#set?.stop();
    this.#set = undefined;
    const { folder } = this.#plan.environment;
    await endSessionProcesses(folder.path);
    await emptySessionFolder(folder);
  }

  #getXServer(): XServer {
    if (!this.#set)
      throw new GatewayError('SESSION_NOT_RUNNING', 'the desktop is being started; try again in a moment');
    return this.#set.xServer;
  }

  #startSet(signal: AbortSignal): Promise<DesktopSet> {
    const events = {
      onStage: (stage: string) => {
        this.#stage = stage;
        this.#tell();
      },
      onChange: () => this.#tell(),
    };
    return DesktopSet.start(this.#plan, events, signal);
  }

  async #supervise(first: DesktopSet): Promise<void> {
    const policy = new RestartPolicy(this.#plan.limits);
    let set: DesktopSet | undefined = first;
    while (set) {
      const startedAt = performance.now();
      const end = await Promise.race([set.ended, aborted(this.#abort.signal)]);
      if (end === undefined) return;
      this.#lose(end.lost.reason);
      await set.stop();
      if (end.kind === 'part') return this.#fail(end.lost);
      set = await this.#restart(policy, end.lost, performance.now() - startedAt);
    }
  }

  /** @returns undefined when it was given up or stopped meanwhile */
  async #restart(policy: RestartPolicy, lost: GivenUp, livedMs: number): Promise<DesktopSet | undefined> {
    let { reason, logTail } = lost;
    for (let delay = policy.next(livedMs); delay !== undefined; delay = policy.next(0)) {
      try {
        await sleep(delay, undefined, { signal: this.#abort.signal });
        const set = await this.#startSet(this.#abort.signal);
        this.#set = set;
        this.#loss = undefined;
        this.#stage = undefined;
        this.#tell();
        return set;
      } catch (thrown) {
        if (this.#abort.signal.aborted) return undefined;
        [reason = '', ...logTail] = messageOf(thrown).split('\n');
        this.#lose(reason);
      }
    }
    await this.#fail({ reason: `${reason}, and again after every restart`, logTail });
    return undefined;
  }

  #lose(reason: string): void {
    this.#plan.log.warn(reason);
    this.#set = undefined;
    this.#loss = reason;
    this.#tell();
  }

  async #fail({ reason, logTail }: GivenUp): Promise<void> {
    const failure = new GatewayError('DESKTOP_FAILED', reason);
    this.#plan.log.error({ logTail }, reason);
    await this.#clean();
    this.#conclude(failure, logTail);
    this.#failed.resolve(failure);
  }

  #conclude({ code, message }: GatewayError, logTail: string[]): void {
    this.#end = {
      reason: { code, message: message.slice(0, FAILURE_MAX_CHARS) },
      logTail: logTail.slice(-LOG_TAIL_MAX_LINES).map((line) => line.slice(0, LOG_LINE_MAX_CHARS)),
    };
    this.#tell();
  }

  #tell(): void {
    this.#options.onState(this.state);
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
