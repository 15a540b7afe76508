import { z } from 'zod';
import { ClipboardText, type Selection } from '../protocol/tools.ts';
import type { CallApi, CallOptions } from './http.ts';
import { pathOf } from './sessions.ts';

export interface ClipboardOptions extends CallOptions {
  /** X's two: what was copied, which is meant when this is left out, and what is selected. */
  selection?: Selection;
}

/** Text on a desktop's clipboard, a MiB at most. */
export interface Clipboard {
  /** Undefined where there is none. @throws NekogateError CLIPBOARD_FAILED when the program that has it does not give it */
  read(options?: ClipboardOptions): Promise<string | undefined>;
  /** Respects who drives: CONTROL_TAKEN. */
  write(text: string, options?: ClipboardOptions): Promise<void>;
}

const Nothing = z.undefined();

export function clipboardOf(callApi: CallApi, sessionId: string): Clipboard {
  const path = `${pathOf(sessionId)}/clipboard`;
  return {
    read: async ({ selection, ...options } = {}) =>
      (await callApi({ method: 'GET', path, query: { selection }, reply: ClipboardText }, options)).text ?? undefined,
    write: (text, { selection, ...options } = {}) =>
      callApi({ method: 'PUT', path, body: { selection, text }, reply: Nothing }, options),
  };
}
