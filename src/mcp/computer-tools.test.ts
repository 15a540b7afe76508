import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { test } from 'vitest';
import { connect, type Answer } from '../sdk/index.ts';
import { Desks } from './desks.ts';
import { createMcpServer } from './server.ts';

const SCOPE = { sessions: ['s-1'], mayDrive: true, mayManage: false };
const SETTLED = { isQuiet: false, ms: 10_000, changed: [] };

test('a batch tells whether the screen came to rest, and shows no more pictures than a model has room for', async () => {
  await using desks = new Desks(async (sessionId) => {
    const desktop = connect({ url: 'http://127.0.0.1:1', token: 'of-nobody' }).desktop(sessionId);
    return { ...desktop, act: async () => ANSWER, [Symbol.asyncDispose]: async () => undefined };
  }, SCOPE);
  const server = createMcpServer({ desks }, SCOPE);
  const client = new Client({ name: 'test', version: '1' });
  const [here, there] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(there), client.connect(here)]);
  const run = (times: number): Promise<unknown> =>
    client.callTool({
      name: 'computer_batch',
      arguments: { actions: Array.from({ length: times }, () => ({ type: 'settled' })) },
    });

  const told = await run(1);
  const refused = await run(5);
  await client.close();

  const line = { action: 'settled', outcome: 'done', settled: SETTLED };
  assert.deepEqual(told, { content: [{ type: 'text', text: JSON.stringify(line) }] });
  assert.partialDeepStrictEqual(refused, { isError: true });
});

const ANSWER: Answer = {
  ok: true,
  space: { width: 800, height: 600 },
  results: [{ call: 0, type: 'settled', outcome: 'done', settled: SETTLED }],
};
