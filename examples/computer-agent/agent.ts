// An agent loop around a model that uses a computer. In a program of yours, import it from 'nekogate'.
import { connect } from '../../src/sdk/index.ts';
import type { Model } from './model.ts';

/** What a model was told and said, a turn each; makers' APIs take them like this. */
export type Message = { role: 'user' | 'assistant'; content: readonly unknown[] };

/** A model that does not come to an end is ended after so many turns. */
const TURNS_MAX = 50;

export interface AgentOptions {
  /** Where the gateway is. */
  url: string;
  /** Of an access of role controller to the session. */
  token: string;
  sessionId: string;
  task: string;
  model: Model;
  signal?: AbortSignal;
}

/** Gives the model the task and the desktop, and resolves with its last words. */
export async function runAgent({ url, token, sessionId, task, model, signal }: AgentOptions): Promise<string> {
  const desktop = connect({ url, token }).desktop(sessionId);
  const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: task }] }];
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const { text, calls } = await model(messages);
    messages.push({ role: 'assistant', content: [{ type: 'text', text }, ...calls] });
    if (calls.length === 0) return text;
    // A call that fails is told to the model, which may try something else; the calls after it did not run.
    const { outputs = [] } = await desktop.computer('computer_toolset_20260801', calls, signal ? { signal } : {});
    messages.push({ role: 'user', content: outputs });
  }
  throw new Error(`the model has not come to an end in ${TURNS_MAX} turns`);
}
