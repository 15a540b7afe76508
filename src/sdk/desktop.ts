import type { z } from 'zod';
import type { Action as AnyAction } from '../computer/actions.ts';
import type { DialectName } from '../computer/dialects/dialects.ts';
import { ComputerAnswer, type WirePicture } from '../protocol/computer.ts';
import { accessibilityOf, type Accessibility } from './accessibility.ts';
import { clipboardOf, type Clipboard } from './clipboard.ts';
import { ActionFailed, NekogateError } from './errors.ts';
import { filesOf, type Files } from './files.ts';
import type { Caller, CallOptions } from './http.ts';
import { recordingsOf, type Recordings } from './recordings.ts';
import { pathOf } from './sessions.ts';
import { windowsOf, type Windows } from './windows.ts';

/** Long texts and waits take their time; Node's fetch gives up after 300 s by itself. */
const ACT_MS = 280_000;

/** One action, as docs/computer-use.md has them. */
export type Action = z.input<typeof AnyAction>;
export type Dialect = Exclude<DialectName, 'nekogate'>;

export interface ActOptions extends CallOptions {
  /** The size of the pictures, in whose pixels the places are; the screen's when left out, or what the dialect's models take. */
  space?: { width: number; height: number };
  /** Of pictures whose action doesn't say. */
  format?: 'png' | 'jpeg' | 'webp';
}

/** What to take a picture of, as the action `screenshot` has it. */
export type ScreenshotOptions = Omit<Extract<Action, { type: 'screenshot' }>, 'type'> & Omit<ActOptions, 'format'>;

/** A picture with where it is from. */
export interface Screenshot extends Omit<WirePicture, 'data'> {
  /** Left out where its hash is the one of `ifChanged`. */
  bytes: Uint8Array | undefined;
}

/** A session's desktop, by one access. What drives it runs one after another; 16 calls may wait. */
export interface Desktop extends Windows {
  readonly sessionId: string;
  readonly clipboard: Clipboard;
  readonly files: Files;
  readonly recordings: Recordings;
  readonly accessibility: Accessibility;
  /** Resolves when all actions were executed, in order. @throws ActionFailed, which says at which and why */
  act(actions: readonly Action[], options?: ActOptions): Promise<ComputerAnswer>;
  /**
   * Runs a model's calls in its own words. An action that fails is told in the answer, whose `outputs` are for the model: one a call.
   */
  computer(dialect: Dialect, calls: readonly unknown[], options?: ActOptions): Promise<ComputerAnswer>;
  screenshot(options?: ScreenshotOptions): Promise<Screenshot>;
}

export function desktopOf(caller: Caller, sessionId: string): Desktop {
  const { callApi } = caller;
  const path = `${pathOf(sessionId)}/computer`;
  const run = (
    dialect: DialectName,
    actions: readonly unknown[],
    { space, format, ...options }: ActOptions = {},
  ): Promise<ComputerAnswer> =>
    callApi(
      { method: 'POST', path, body: { dialect, actions, space, format }, reply: ComputerAnswer },
      { timeoutMs: ACT_MS, ...options },
    );
  const act: Desktop['act'] = async (actions, options) => {
    const answer = await run('nekogate', actions, options);
    if (answer.error) throw new ActionFailed(answer.error, answer.results);
    return answer;
  };
  return {
    sessionId,
    clipboard: clipboardOf(callApi, sessionId),
    files: filesOf(caller, sessionId),
    recordings: recordingsOf(caller, sessionId),
    accessibility: accessibilityOf(callApi, sessionId),
    ...windowsOf(callApi, sessionId),
    act,
    computer: run,
    async screenshot({ space, signal, timeoutMs, ...asked } = {}) {
      const { results } = await act([{ type: 'screenshot', ...asked }], {
        ...(space && { space }),
        ...(signal && { signal }),
        ...(timeoutMs !== undefined && { timeoutMs }),
      });
      const picture = results[0]?.picture;
      if (!picture) throw new NekogateError('ANSWER_INVALID', 'a screenshot without a picture');
      const { data, ...about } = picture;
      return { ...about, bytes: data === undefined ? undefined : decodeBase64(data) };
    },
  };
}

function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new NekogateError('ANSWER_INVALID', 'a picture that is no base64', { cause });
  }
}
