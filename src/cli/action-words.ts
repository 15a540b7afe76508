import { z } from 'zod';
import { Action } from '../computer/actions.ts';
import { UsageError } from './usage-error.ts';

/** How many words follow each, and what they are. */
const SHORT_FORMS: Record<string, { counts: number[]; read: (words: string[]) => unknown }> = {
  screenshot: { counts: [0], read: () => ({ type: 'screenshot' }) },
  cursor_position: { counts: [0], read: () => ({ type: 'cursor_position' }) },
  move: { counts: [2], read: ([x, y]) => ({ type: 'move', x: Number(x), y: Number(y) }) },
  click: {
    counts: [2, 0],
    read: ([x, y]) => ({ type: 'click', ...(x !== undefined && { x: Number(x), y: Number(y) }) }),
  },
  drag: { counts: [4], read: ([a, b, c, d]) => ({ type: 'drag', path: [pointOf(a, b), pointOf(c, d)] }) },
  scroll: { counts: [2], read: ([dx, dy]) => ({ type: 'scroll', dx: Number(dx), dy: Number(dy) }) },
  key: { counts: [1], read: ([keys]) => ({ type: 'key', keys }) },
  type: { counts: [1], read: ([text]) => ({ type: 'type', text }) },
  wait: { counts: [1], read: ([ms]) => ({ type: 'wait', ms: Number(ms) }) },
};
/** Their words are numbers. */
const NUMERIC = ['move', 'click', 'drag', 'scroll', 'wait'];
const NUMBER = /^-?\d+$/;

/** Actions from the words of a command line: JSON, or short forms like `click 10 20` and `type "text"`. @throws UsageError */
export function readActions(words: readonly string[]): z.input<typeof Action>[] {
  const actions: unknown[] = [];
  let at = 0;
  while (at < words.length) {
    const word = words[at] ?? '';
    at += 1;
    if (/^\s*[[{]/.test(word)) {
      actions.push(...readJson(word));
      continue;
    }
    const form = Object.hasOwn(SHORT_FORMS, word) ? SHORT_FORMS[word] : undefined;
    if (!form)
      throw new UsageError(`"${word}" is no action; there are ${Object.keys(SHORT_FORMS).join(', ')}, and JSON`);
    const count = form.counts.find((wanted) => hasWords(word, words.slice(at, at + wanted), wanted));
    if (count === undefined) throw new UsageError(`${word} takes ${form.counts.join(' or ')} words`);
    actions.push(form.read(words.slice(at, at + count)));
    at += count;
  }
  return actions.map(check);
}

/** One action, or a list of them. @throws UsageError */
export function readJson(text: string): unknown[] {
  try {
    return z.union([z.array(z.unknown()), z.unknown().transform((one) => [one])]).parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError('this is no JSON', { cause });
  }
}

function hasWords(verb: string, words: readonly string[], wanted: number): boolean {
  return words.length === wanted && (!NUMERIC.includes(verb) || words.every((word) => NUMBER.test(word)));
}

function pointOf(x: string | undefined, y: string | undefined): { x: number; y: number } {
  return { x: Number(x), y: Number(y) };
}

function check(raw: unknown, index: number): z.input<typeof Action> {
  const action = Action.safeParse(raw);
  if (action.success) return action.data;
  const [issue] = action.error.issues;
  throw new UsageError(`action ${index + 1}: ${issue?.path.join('.') || 'all of it'}: ${issue?.message}`);
}
