import type { Message } from './agent.ts';

/** One call of a tool, as Anthropic's models make it. */
interface ToolUse {
  type: 'tool_use';
  id: string;
  toolset_name: 'computer';
  name: string;
  input: object;
}

/** Says something and calls tools; without a call it is done. Put a maker's API in its place. */
export type Model = (messages: readonly Message[]) => Promise<{ text: string; calls: ToolUse[] }>;

/** A model that looks, clicks, types what the task says, looks again and tells what it has seen. */
export function scriptedModel(): Model {
  const turns: ((task: string) => { text: string; calls: ToolUse[] })[] = [
    () => ({ text: 'I look at the screen.', calls: [call('screenshot', {})] }),
    () => ({ text: 'I click into the window.', calls: [call('left_click', { coordinate: [200, 150] })] }),
    (task) => ({
      text: 'I type it.',
      calls: [call('type', { text: task }), call('key', { text: 'Return' }), call('screenshot', {})],
    }),
  ];
  let turn = 0;
  return async (messages) => {
    const results = messages.at(-1)?.content ?? [];
    if (JSON.stringify(results).includes('"is_error":true'))
      return { text: `I give up: ${JSON.stringify(results)}`, calls: [] };
    const next = turns[turn];
    turn += 1;
    return (
      next?.(taskOf(messages)) ?? { text: `I have typed it, and seen ${countPictures(messages)} pictures.`, calls: [] }
    );
  };
}

function call(name: string, input: object): ToolUse {
  return { type: 'tool_use', id: `toolu_${crypto.randomUUID()}`, toolset_name: 'computer', name, input };
}

function taskOf([first]: readonly Message[]): string {
  const [part] = first?.content ?? [];
  return typeof part === 'object' && part !== null && 'text' in part ? String(part.text) : '';
}

function countPictures(messages: readonly Message[]): number {
  return JSON.stringify(messages).split('"type":"image"').length - 1;
}
