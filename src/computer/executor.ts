import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { GatewayError, toGatewayError, type FailureCode } from '../errors.ts';
import type { InputEvent } from '../input/data-channel.ts';
import { WATCHING, type Action, type ActionType } from './actions.ts';
import type { PictureFormat } from '../protocol/computer.ts';
import { ControlRefusal, type Holder } from './holder.ts';
import { planAction, type PictureRequest, type SettleRequest, type Step, type View } from './plan.ts';
import { regionToSpace, toSpace, type Point, type Region, type Size } from './space.ts';

export interface Picture {
  format: z.infer<typeof PictureFormat>;
  width: number;
  height: number;
  /** SHA-256 of the picture's bytes, in hex. */
  hash: string;
  /** Base64; not there when it is the picture that the program has already. */
  data?: string;
  /** When it was taken, and of what. */
  takenAt: string;
  sessionId: string;
  screen: Size;
}

/** Whether a screen came to rest, after how long, and what changed since the last picture. */
export interface Settled {
  isQuiet: boolean;
  ms: number;
  /** As told, in the pixels of the picture that the program sees. */
  changed: Region[];
}

/** A desktop as actions need it. */
export interface Desk {
  /** Resolves once it was executed. @throws GatewayError */
  perform(events: readonly InputEvent[], signal: AbortSignal): Promise<void>;
  /** In the screen's pixels. */
  findPointer(signal: AbortSignal): Promise<Point>;
  takePicture(request: PictureRequest, signal: AbortSignal): Promise<Picture>;
  /** What changed is in the screen's pixels. */
  settle(request: SettleRequest, signal: AbortSignal): Promise<{ picture: Picture; settled: Settled }>;
}

/** All pictures of one call together, in base64: its answer is held whole. One that goes beyond fails with MESSAGE_TOO_BIG. */
const PICTURES_MAX_LENGTH = 64 * 1024 * 1024;

/** For the release of what a broken-off action holds. */
const RELEASE_MS = 2000;

export interface Failure {
  code: FailureCode;
  message: string;
  retryable: boolean;
  /** Who has the controls instead, for CONTROL_TAKEN and CONTROL_LOST. */
  holder?: Holder;
}

/** What an action was to find. */
export interface Found {
  picture?: Picture;
  settled?: Settled;
  position?: Point;
}

/** What became of one action. One that was skipped did not run at all. */
export type ActionResult =
  | ({ type: ResultType; outcome: 'done'; ms: number } & Found)
  | { type: ResultType; outcome: 'failed'; ms: number; error: Failure }
  | { type: ResultType; outcome: 'skipped' };

/** `unknown` is one that could not be read. */
type ResultType = ActionType | 'unknown';

export interface RunOptions {
  view: View;
  /** False for who may only watch. */
  mayDrive: boolean;
  /** Run once before the first action, which fails with what it throws. */
  before?: () => Promise<void>;
  signal: AbortSignal;
}

/**
 * Runs actions in order and stops at the first that fails; never rejects. All of them are looked through before the first runs: keys that nobody
 * has, places off the picture and what the role may not do fail with nothing done.
 */
export async function runActions(actions: readonly Action[], desk: Desk, options: RunOptions): Promise<ActionResult[]> {
  const { view, mayDrive, signal } = options;
  const plans: Step[][] = [];
  for (const [index, action] of actions.entries()) {
    try {
      if (!mayDrive && !WATCHING.includes(action.type))
        throw new GatewayError('FORBIDDEN', `who may only watch can't ${action.type}; a controller of the session may`);
      plans.push(planAction(action, view));
    } catch (thrown) {
      return failAt(actions, index, toGatewayError(thrown));
    }
  }
  try {
    await options.before?.();
  } catch (thrown) {
    return failAt(actions, 0, toGatewayError(thrown));
  }
  const results: ActionResult[] = [];
  let picturesLength = 0;
  for (const [index, action] of actions.entries()) {
    const startedAt = performance.now();
    try {
      const found = await runSteps(plans[index] ?? [], desk, options);
      signal.throwIfAborted();
      picturesLength += found.picture?.data?.length ?? 0;
      if (picturesLength > PICTURES_MAX_LENGTH)
        throw new GatewayError(
          'MESSAGE_TOO_BIG',
          `the pictures of one call may have ${PICTURES_MAX_LENGTH} bytes in base64; ask for fewer or smaller ones`,
        );
      results.push({ type: action.type, outcome: 'done', ms: msSince(startedAt), ...found });
    } catch (thrown) {
      const error = failureOf(toGatewayError(thrown));
      results.push({ type: action.type, outcome: 'failed', ms: msSince(startedAt), error });
      return [...results, ...skipped(actions.slice(index + 1))];
    }
  }
  return results;
}

/** As if that action had failed before anything ran. */
function failAt(actions: readonly Pick<Action, 'type'>[], index: number, failure: GatewayError): ActionResult[] {
  return actions.map(({ type }, at) =>
    at === index ? { type, outcome: 'failed', ms: 0, error: failureOf(failure) } : { type, outcome: 'skipped' },
  );
}

function skipped(actions: readonly Action[]): ActionResult[] {
  return actions.map(({ type }) => ({ type, outcome: 'skipped' }));
}

async function runSteps(steps: readonly Step[], desk: Desk, { view, signal }: RunOptions): Promise<Found> {
  let found: Found = {};
  let hasActed = false;
  try {
    for (const step of steps) {
      signal.throwIfAborted();
      if (step.do === 'input') {
        hasActed = true;
        await desk.perform(step.events, signal);
      } else if (step.do === 'wait') await sleep(step.ms, undefined, { signal });
      else if (step.do === 'picture') found = { picture: await desk.takePicture(step.request, signal) };
      else if (step.do === 'settle') {
        const { picture, settled } = await desk.settle(step.request, signal);
        const changed = settled.changed.map((region) => regionToSpace(region, view.space, view.screen));
        found = { picture, settled: { ...settled, changed } };
      } else found = { position: toSpace(await desk.findPointer(signal), view.space, view.screen) };
    }
    return found;
  } catch (thrown) {
    // Nothing stays down that was to come up. Where the controls or the login are gone, the streamer has seen to that itself.
    const releases = signal.aborted && hasActed ? releasesOf(steps) : [];
    // Without any it would merely take the controls.
    if (releases.length > 0) await desk.perform(releases, AbortSignal.timeout(RELEASE_MS)).catch(() => undefined);
    throw signal.aborted ? signal.reason : thrown;
  }
}

/** What lets go of all that the action presses and lets go of itself. */
function releasesOf(steps: readonly Step[]): InputEvent[] {
  const events = steps.flatMap((step) => (step.do === 'input' ? step.events : []));
  const releases = events.filter((event) => (event.type === 'key' || event.type === 'button') && !event.down);
  return [...new Map(releases.map((event) => [JSON.stringify(event), event])).values()];
}

function failureOf(failure: GatewayError): Failure {
  const { code, message, retryable } = failure;
  const holder = failure instanceof ControlRefusal ? failure.holder : undefined;
  return { code, message, retryable, ...(holder && { holder }) };
}

function msSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 100) / 100;
}
