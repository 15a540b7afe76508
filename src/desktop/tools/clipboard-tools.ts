import { GatewayError } from '../../errors.ts';
import { CLIPBOARD_MAX_BYTES, ClipboardError } from '../../neko/embedded/clipboard.ts';
import type { Seat } from './seat.ts';
import type { ToolHandlers } from './tool.ts';

/** Text alone. What is written is there until a program takes the selection, or the X server ends. */
export function clipboardTools(seat: Seat): Pick<ToolHandlers, 'readClipboard' | 'writeClipboard'> {
  return {
    readClipboard: async ({ input: { selection } }) => {
      const { selections } = await seat.take();
      try {
        return { text: await selections[selection].getText() };
      } catch (thrown) {
        if (!(thrown instanceof ClipboardError)) throw thrown;
        if (thrown.reason === 'empty') return { text: null };
        throw failureOf(thrown, selection);
      }
    },
    writeClipboard: async ({ input: { selection, text } }) => {
      if (Buffer.byteLength(text) > CLIPBOARD_MAX_BYTES)
        throw new GatewayError('MESSAGE_TOO_BIG', `a clipboard's text may have ${CLIPBOARD_MAX_BYTES} bytes in UTF-8`);
      const { selections } = await seat.take();
      await selections[selection].setText(text);
      return {};
    },
  };
}

function failureOf(cause: ClipboardError, selection: string): GatewayError {
  if (cause.reason === 'too-long')
    return new GatewayError(
      'MESSAGE_TOO_BIG',
      `the text of the ${selection} is longer than ${CLIPBOARD_MAX_BYTES} bytes`,
      { cause },
    );
  const message = `the program that has the ${selection} does not give it: it is busy or stopped`;
  return new GatewayError('CLIPBOARD_FAILED', message, { cause });
}
