import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Streamer } from '../neko/find.ts';
import { startNeko } from '../neko/process.ts';
import { describeExit } from '../process/child.ts';
import type { ProcessIdentity } from '../process/table.ts';
import { accessibilityBus } from './accessibility-bus.ts';
import { sessionApp } from './app.ts';
import { AUDIO_DEVICE, soundServer } from './audio.ts';
import { displayEnvironment, type DesktopEnvironment } from './environment.ts';
import { Keeper, type GivenUp, type Part } from './keeper.ts';
import { SpareKeycodes } from './keycodes.ts';
import type { DesktopPrograms } from './programs.ts';
import type { RestartLimits } from './restart-policy.ts';
import type { DesktopOrder } from './state.ts';
import type { ToolsAddress } from './tools/service.ts';
import { windowManager } from './window-manager.ts';
import { startXServer, stopXServer, type RfbOverTcp, type XServer } from './x-server.ts';

export interface DesktopPlan {
  order: Pick<DesktopOrder, 'spec' | 'ports' | 'nat1to1' | 'adminPassword'>;
  environment: DesktopEnvironment;
  programs: DesktopPrograms;
  streamer: Streamer;
  /** neko's settings by variable, in the place of ours (`NekoOptions`). */
  settings?: Readonly<Record<string, string>>;
  /** By TCP, too. */
  rfb?: RfbOverTcp | undefined;
  /** Where its tools are reached, instead of a private socket. */
  tools?: ToolsAddress | undefined;
  limits: RestartLimits;
  log: Logger;
}

export interface SetEvents {
  onStage: (stage: string) => void;
  /** A part was lost, or is back. */
  onChange: () => void;
}

interface Kept {
  keepers: Map<string, Keeper>;
  /** By part; undefined once it is back. */
  losses: Map<string, string | undefined>;
}

/** How a set ended by itself. */
export type SetEnd = { kind: 'x-server'; lost: GivenUp } | { kind: 'part'; lost: GivenUp };

const LOG_TAIL_LINES = 40;

/**
 * neko binds each media port to an interface's own address, never to loopback: told to offer 127.0.0.1, it offers what nobody can
 * reach (tried at baf21c1). Viewers on this machine reach the interface's address. The embedded streamer binds all addresses.
 */
const LOOPBACK = /^127\./;

/** One X server and all that runs on it. It ends as a whole, since nothing on it outlives the X server. */
export class DesktopSet {
  readonly xServer: XServer;
  /** Resolves when the X server is gone or a part was given up; never otherwise. What is left is still to be stopped then. */
  readonly ended: Promise<SetEnd>;
  readonly #keepers: Map<string, Keeper>;
  readonly #losses: Map<string, string | undefined>;
  readonly #owned: AsyncDisposableStack;
  #stopping: Promise<void> | undefined;

  /** Resolves once the streamer has answered and shown a picture; leaves nothing behind when it throws. */
  static async start(plan: DesktopPlan, events: SetEvents, signal: AbortSignal): Promise<DesktopSet> {
    const { environment, programs, order } = plan;
    await using opening = new AsyncDisposableStack();
    events.onStage('starting the X server');
    const xServer = opening.adopt(
      await startXServer(programs.xServer, { environment, screen: order.spec.screen, rfb: plan.rfb }, signal),
      stopXServer,
    );
    // Before the first key can be pressed.
    const keycodes = opening.use(await SpareKeycodes.open(xServer, plan.log));
    const early = new AbortController();
    const all = AbortSignal.any([signal, early.signal]);
    void xServer.child.exited.then((exit) => early.abort(new Error(`the X server ${describeExit(exit)}`)));

    const keepers = new Map<string, Keeper>();
    const losses = new Map<string, string | undefined>();
    const parts = partsOf(plan, xServer.display, keycodes);
    events.onStage('starting the streamer and the program');
    const start = async (key: string, part: Part): Promise<void> => {
      const onChange = (loss: string | undefined) => {
        losses.set(key, loss);
        if (loss !== undefined) plan.log.warn(loss);
        events.onChange();
      };
      try {
        const keeper = await Keeper.start(part, { limits: plan.limits, onChange }, all);
        keepers.set(key, opening.use(keeper));
      } catch (thrown) {
        early.abort(thrown);
        throw thrown;
      }
    };
    // Side by side, for the first picture's sake; but the window manager gives no focus to a window that was there before it,
    // and keys would go nowhere until somebody clicks; and a program looks for the accessibility bus at its start alone.
    const starts = new Map<string, Promise<void>>();
    for (const [key, part] of parts) {
      const names = key === 'app' ? ['window-manager', 'accessibility-bus'] : [];
      const before = names.flatMap((name) => starts.get(name) ?? []);
      starts.set(key, before.length === 0 ? start(key, part) : Promise.all(before).then(() => start(key, part)));
    }
    // Each that started is owned before the first failure is thrown.
    const started = await Promise.allSettled(starts.values());
    if (started.some(({ status }) => status === 'rejected')) throw firstFailure(all);
    return new DesktopSet(xServer, { keepers, losses }, opening.move());
  }

  private constructor(xServer: XServer, { keepers, losses }: Kept, owned: AsyncDisposableStack) {
    this.xServer = xServer;
    this.#keepers = keepers;
    this.#losses = losses;
    this.#owned = owned;
    this.ended = Promise.race([
      xServer.child.exited.then((exit): SetEnd => ({
        kind: 'x-server',
        lost: { reason: `the X server ${describeExit(exit)}`, logTail: xServer.child.log.last(LOG_TAIL_LINES) },
      })),
      ...[...keepers.values()].map(({ givenUp }) => givenUp.then((lost): SetEnd => ({ kind: 'part', lost }))),
    ]);
  }

  /** Why it isn't whole now, if it isn't. */
  get loss(): string | undefined {
    return [...this.#losses.values()].find((loss) => loss !== undefined);
  }

  /** The processes that run now. */
  get parts(): (ProcessIdentity & { name: string })[] {
    const identities = [
      ['x-server', this.xServer.child.identity] as const,
      ...[...this.#keepers].map(([name, keeper]) => [name, keeper.identity] as const),
    ];
    return identities.flatMap(([name, identity]) => (identity ? [{ name, ...identity }] : []));
  }

  /** Ends the parts, the last started first, and then the X server; resolves once all are gone. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#owned.disposeAsync());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The PulseAudio source of what is played; undefined for a desktop without sound. */
export function audioDeviceOf({ order, programs }: Pick<DesktopPlan, 'order' | 'programs'>): string | undefined {
  return order.spec.audio && programs.soundServer !== undefined ? AUDIO_DEVICE : undefined;
}

function firstFailure(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}

function partsOf(plan: DesktopPlan, display: string, keycodes: SpareKeycodes): [string, Part][] {
  const { order, environment, programs, log } = plan;
  const parts: [string, Part][] = [];
  if (order.spec.audio && programs.soundServer !== undefined)
    parts.push(['sound-server', soundServer(programs.soundServer, environment)]);
  else if (order.spec.audio) log.warn('pulseaudio is not installed: this desktop has no sound');
  if (programs.accessibility)
    parts.push(['accessibility-bus', accessibilityBus(programs.accessibility, environment, display)]);
  parts.push(['window-manager', windowManager(programs.windowManager, environment, display)]);
  parts.push(['app', sessionApp(order.spec, environment, display)]);
  parts.push(['streamer', streamerPart(plan, display, keycodes)]);
  return parts;
}

function streamerPart(plan: DesktopPlan, display: string, keycodes: SpareKeycodes): Part {
  const { order, environment, streamer } = plan;
  const options = {
    http: { host: '127.0.0.1', port: order.ports.http },
    display,
    screen: order.spec.screen,
    udpPorts: order.ports.udp,
    nat1to1: streamer.kind === 'neko' ? order.nat1to1.filter((address) => !LOOPBACK.test(address)) : order.nat1to1,
    audioDevice: audioDeviceOf(plan),
    secrets: { adminPassword: order.adminPassword, userPassword: randomBytes(24).toString('base64url') },
    settings: plan.settings ?? {},
    environment: displayEnvironment(environment, display),
  };
  return {
    name: 'the streamer',
    start: async (signal) => {
      await keycodes.releaseAll();
      return startNeko(streamer, options, { cwd: environment.folder.run, signal });
    },
  };
}
