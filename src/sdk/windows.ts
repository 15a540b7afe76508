import {
  ClosedWindow,
  DesktopWindow,
  FocusedWindow,
  Launched,
  WindowList,
  type LaunchOrder,
} from '../protocol/tools.ts';
import type { z } from 'zod';
import type { CallApi, CallOptions } from './http.ts';
import { partOf, pathOf } from './sessions.ts';

/** Of a launch, beyond what it waits for its window. */
const LAUNCH_MS = 30_000;

export interface LaunchOptions extends CallOptions {
  /** How long to wait for the program's window, 60 000 at most; 0 when left out. */
  waitMs?: z.input<typeof LaunchOrder>['waitMs'];
}

/** A desktop's windows, and what opens more of them. All but looking respects who drives: CONTROL_TAKEN. */
export interface Windows {
  /** The oldest first. */
  windows(options?: CallOptions): Promise<DesktopWindow[]>;
  /** The one that keys go to; undefined where there is none. */
  focusedWindow(options?: CallOptions): Promise<DesktopWindow | undefined>;
  /** Brings it to the front, with the keyboard. @throws NekogateError NOT_FOUND */
  focusWindow(windowId: string, options?: CallOptions): Promise<DesktopWindow>;
  /** Resolves with where it is then. */
  moveWindow(windowId: string, place: { x: number; y: number }, options?: CallOptions): Promise<DesktopWindow>;
  /** Resolves with the size that it has then: a terminal takes whole characters. */
  resizeWindow(
    windowId: string,
    size: { width: number; height: number },
    options?: CallOptions,
  ): Promise<DesktopWindow>;
  /** Resolves with whether it is gone; its program may ask its user first. */
  closeWindow(windowId: string, options?: CallOptions): Promise<boolean>;
  /** Starts a program, without a shell. @throws NekogateError PROGRAM_NOT_FOUND | PROGRAM_FAILED */
  launch(command: readonly string[], options?: LaunchOptions): Promise<Launched>;
  /** Opens a web address, or a file of the home by its path there. @throws as `launch`, and NOT_FOUND */
  open(target: string, options?: LaunchOptions): Promise<Launched>;
}

export function windowsOf(callApi: CallApi, sessionId: string): Windows {
  const path = pathOf(sessionId);
  const arrange = <Reply>(
    [windowId, verb]: [string, string],
    reply: z.ZodType<Reply>,
    body: object | undefined,
    options?: CallOptions,
  ): Promise<Reply> =>
    callApi({ method: 'POST', path: `${path}/windows/${partOf(windowId)}/${verb}`, body, reply }, options);
  const start = (verb: 'launch' | 'open', order: object, { waitMs = 0, ...options }: LaunchOptions = {}) =>
    callApi(
      { method: 'POST', path: `${path}/${verb}`, body: { ...order, waitMs }, reply: Launched },
      { timeoutMs: waitMs + LAUNCH_MS, ...options },
    );
  return {
    windows: async (options) =>
      (await callApi({ method: 'GET', path: `${path}/windows`, reply: WindowList }, options)).windows,
    focusedWindow: async (options) =>
      (await callApi({ method: 'GET', path: `${path}/windows/focused`, reply: FocusedWindow }, options)).window ??
      undefined,
    focusWindow: (windowId, options) => arrange([windowId, 'focus'], DesktopWindow, undefined, options),
    moveWindow: (windowId, place, options) => arrange([windowId, 'move'], DesktopWindow, place, options),
    resizeWindow: (windowId, size, options) => arrange([windowId, 'resize'], DesktopWindow, size, options),
    closeWindow: async (windowId, options) =>
      (await arrange([windowId, 'close'], ClosedWindow, undefined, options)).closed,
    launch: (command, options) => start('launch', { command }, options),
    open: (target, options) => start('open', { target }, options),
  };
}
