import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { ActionFailed, NekogateError, type ActionResult } from '../sdk/index.ts';

/** A picture's base64; a longer one is left out, and the model told so. Makers of models refuse larger ones. */
const PICTURE_MAX_LENGTH = 5 * 1024 * 1024;

/** Runs a tool; a failure is told to the model by code and message. */
export async function tell(run: () => Promise<CallToolResult>): Promise<CallToolResult> {
  try {
    return await run();
  } catch (thrown) {
    const text =
      thrown instanceof NekogateError ? `${thrown.code}: ${thrown.message}` : 'INTERNAL: something went wrong here';
    const done = thrown instanceof ActionFailed ? contentOf(thrown.results) : [];
    return { isError: true, content: [{ type: 'text', text }, ...done] };
  }
}

export function json(value: unknown): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(value) }] };
}

/** What became of actions: a line of JSON each, its picture after it. */
export function contentOf(results: readonly ActionResult[]): CallToolResult['content'] {
  return results.flatMap(({ type: action, outcome, error, position, settled, picture }) => {
    const { data, ...about } = picture ?? {};
    const isTooLong = data !== undefined && data.length > PICTURE_MAX_LENGTH;
    const line = {
      action,
      outcome,
      ...(error && { error }),
      ...(position && { position }),
      ...(settled && { settled }),
      ...(picture && { picture: about }),
      ...(isTooLong && { note: 'the picture is too long to send; ask for jpeg, a region or a smaller scale' }),
    };
    const text = { type: 'text' as const, text: JSON.stringify(line) };
    if (!picture || data === undefined || isTooLong) return [text];
    return [text, { type: 'image' as const, data, mimeType: `image/${picture.format}` }];
  });
}
