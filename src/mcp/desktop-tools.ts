import { z } from 'zod';
import {
  ClipboardQuery,
  FilePath,
  LaunchOrder,
  OpenOrder,
  Selection,
  WindowId,
  WindowPlace,
  WindowSize,
} from '../protocol/tools.ts';
import { NekogateError, type Desktop } from '../sdk/index.ts';
import type { AddTool } from './tool-adder.ts';

/** A text for a model, in bytes; a longer one is refused with MESSAGE_TOO_BIG. */
const TEXT_MAX_BYTES = 256 * 1024;

const OneWindow = z.strictObject({ window: WindowId.describe('Its id, as computer_windows tells it') });
const OneFile = z.strictObject({ path: FilePath.describe('From the home down, like Documents/letter.txt') });
const Text = z.string().max(TEXT_MAX_BYTES);

/** Tools beside pixels: windows, and where driving is allowed all else. */
export function addDesktopTools(add: AddTool): void {
  add('computer_windows', {
    description: 'The windows: id, title, class of the program, place, and which one keys go to',
    isLooking: true,
    isForViewers: true,
    input: z.strictObject({}),
    run: (desktop, _given, options) => desktop.windows(options),
  });
  add('computer_focus_window', {
    description: 'Bring a window to the front, where keys go to it',
    input: OneWindow,
    run: (desktop, { window }, options) => desktop.focusWindow(window, options),
  });
  add('computer_move_window', {
    description: 'Put a window at a place of the screen',
    input: OneWindow.extend(WindowPlace.shape),
    run: (desktop, { window, ...place }, options) => desktop.moveWindow(window, place, options),
  });
  add('computer_resize_window', {
    description: 'Give a window another size',
    input: OneWindow.extend(WindowSize.shape),
    run: (desktop, { window, ...size }, options) => desktop.resizeWindow(window, size, options),
  });
  add('computer_close_window', {
    description: 'Ask a window to close; it may ask its user first',
    input: OneWindow,
    run: async (desktop, { window }, options) => ({ closed: await desktop.closeWindow(window, options) }),
  });
  add('computer_launch', {
    description: 'Start a program, without a shell; with waitMs, wait for its window',
    input: LaunchOrder,
    run: (desktop, { command, waitMs }, options) => desktop.launch(command, { waitMs, ...options }),
  });
  add('computer_open', {
    description: 'Open a web address, or a file of the home by its path there',
    input: OpenOrder,
    run: (desktop, { target, waitMs }, options) => desktop.open(target, { waitMs, ...options }),
  });
  add('computer_clipboard_read', {
    description: 'The text on the clipboard, if there is one',
    input: ClipboardQuery,
    run: async (desktop, { selection }, options) => {
      const text = await desktop.clipboard.read({ selection, ...options });
      if (text !== undefined && new TextEncoder().encode(text).length > TEXT_MAX_BYTES) throw tooLong('the clipboard');
      return { text: text ?? null };
    },
  });
  add('computer_clipboard_write', {
    description: 'Put a text on the clipboard',
    input: z.strictObject({ text: Text, selection: Selection.default('clipboard') }),
    run: async (desktop, { text, selection }, options) => {
      await desktop.clipboard.write(text, { selection, ...options });
      return { written: true };
    },
  });
  add('computer_file_list', {
    description: "What is in a folder of the session's home",
    input: z.strictObject({ path: FilePath.default('').describe('From the home down; the home itself when left out') }),
    run: (desktop, { path }, options) => desktop.files.list(path, options),
  });
  add('computer_file_read', {
    description: "A text file of the session's home",
    input: OneFile,
    run: async (desktop, { path }, options) => ({ text: await readText(desktop, path, options) }),
  });
  add('computer_file_write', {
    description: "Put a text into a file of the session's home; one that is there is replaced",
    input: OneFile.extend({ text: Text }),
    run: (desktop, { path, text }, options) => desktop.files.write(path, text, options),
  });
  add('computer_file_remove', {
    description: "Remove a file, or an empty folder, of the session's home",
    input: OneFile,
    run: async (desktop, { path }, options) => {
      await desktop.files.remove(path, options);
      return { removed: true };
    },
  });
}

/** @throws NekogateError MESSAGE_TOO_BIG | UNSUPPORTED_MEDIA_TYPE for what is no text */
async function readText(desktop: Desktop, path: string, options: { signal: AbortSignal }): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parts: string[] = [];
  let bytes = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of await desktop.files.stream(path, options)) {
    bytes += chunk.length;
    if (bytes > TEXT_MAX_BYTES) throw tooLong(path);
    parts.push(decode(() => decoder.decode(chunk, { stream: true }), path));
  }
  return parts.join('') + decode(() => decoder.decode(), path);
}

function decode(run: () => string, path: string): string {
  try {
    return run();
  } catch (cause) {
    throw new NekogateError('UNSUPPORTED_MEDIA_TYPE', `${path} is no text in UTF-8`, { cause });
  }
}

function tooLong(what: string): NekogateError {
  return new NekogateError('MESSAGE_TOO_BIG', `${what} has more than ${TEXT_MAX_BYTES} bytes`);
}
