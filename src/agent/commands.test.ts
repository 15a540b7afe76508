import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { test } from 'vitest';
import { HandRuntime } from '../../test/harness/hand-runtime.ts';
import type { Command } from '../protocol/control.ts';
import { SessionSpec } from '../protocol/session.ts';
import { CommandRunner } from './commands.ts';
import { SessionTable } from './sessions.ts';

const log = pino({ level: 'silent' });
const spec = SessionSpec.parse({});

function openRunner() {
  const runtime = new HandRuntime();
  const table = new SessionTable(runtime, { maxSessions: 4, startsAtOnce: 2, log, onReport: () => undefined });
  const sent: { type: string; commandId: string; code: string | undefined }[] = [];
  const progress: { message: string; isWaiting?: boolean | undefined }[] = [];
  let onSent = (): void => undefined;
  const ended: unknown[] = [];
  const logins = { end: async (...call: unknown[]): Promise<void> => void ended.push(call) };
  const runner = new CommandRunner(
    { sessions: table, logins, homes: runtime },
    (type, payload) => {
      if (!('commandId' in payload)) return;
      if ('message' in payload) progress.push({ message: payload.message, isWaiting: payload.isWaiting });
      sent.push({ type, commandId: payload.commandId, code: 'error' in payload ? payload.error?.code : undefined });
      onSent();
    },
    log,
  );
  const run = (command: Command, commandId: string = randomUUID(), deadlineMs = 60_000): string => {
    runner.run({ commandId, deadline: new Date(Date.now() + deadlineMs).toISOString(), command });
    return commandId;
  };
  const resultOf = async (commandId: string): Promise<{ code: string | undefined }> => {
    for (;;) {
      const result = sent.find((message) => message.type === 'result' && message.commandId === commandId);
      if (result) return { code: result.code };
      await new Promise<void>((resolve) => (onSent = resolve));
    }
  };
  return { runtime, table, sent, progress, ended, run, resultOf };
}

test('a command is acknowledged at once and answered when it is done', async () => {
  const { runtime, sent, run, resultOf } = openRunner();

  const commandId = run({ action: 'start_session', sessionId: 's-1', spec });
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['ack'],
  );
  await Promise.resolve();
  runtime.ready('s-1');

  assert.deepEqual(await resultOf(commandId), { code: undefined });
});

test('a repeated command runs once and is answered as before', async () => {
  const { runtime, table, sent, run, resultOf } = openRunner();
  const commandId = run({ action: 'start_session', sessionId: 's-1', spec });
  await Promise.resolve();
  run({ action: 'start_session', sessionId: 's-1', spec }, commandId);
  runtime.ready('s-1');
  await resultOf(commandId);

  run({ action: 'start_session', sessionId: 's-1', spec }, commandId);

  assert.equal(sent.filter(({ type }) => type === 'result').length, 2);
  assert.equal(table.count, 1);
});

test('a stop overtakes the start that it ends', async () => {
  const { table, run, resultOf } = openRunner();
  const start = run({ action: 'start_session', sessionId: 's-1', spec });
  await Promise.resolve();

  const stop = run({ action: 'stop_session', sessionId: 's-1' });

  assert.deepEqual(await resultOf(start), { code: 'SESSION_ENDED' });
  assert.deepEqual(await resultOf(stop), { code: undefined });
  assert.equal(table.count, 0);
});

test('a command past its deadline is refused rather than done late', async () => {
  const { table, run, resultOf } = openRunner();

  const commandId = run({ action: 'start_session', sessionId: 's-1', spec }, randomUUID(), -1);

  assert.deepEqual(await resultOf(commandId), { code: 'COMMAND_TIMEOUT' });
  assert.equal(table.count, 0);
});

test('one slow session does not keep another waiting', async () => {
  const { runtime, run, resultOf } = openRunner();
  run({ action: 'start_session', sessionId: 's-slow', spec });

  const commandId = run({ action: 'start_session', sessionId: 's-1', spec });
  await Promise.resolve();
  runtime.ready('s-1');

  assert.deepEqual(await resultOf(commandId), { code: undefined });
});

test('a start that waits says for how many, and that its deadline does not count meanwhile', async () => {
  const { runtime, progress, run, resultOf } = openRunner();
  for (const sessionId of ['s-1', 's-2']) run({ action: 'start_session', sessionId, spec });
  const commandId = run({ action: 'start_session', sessionId: 's-3', spec });
  await runtime.untilStarted('s-2');

  runtime.ready('s-1');
  runtime.ready('s-3');

  assert.deepEqual(await resultOf(commandId), { code: undefined });
  assert.deepEqual(progress, [
    { message: 'waiting for 1 start before it', isWaiting: true },
    { message: 'its turn has come', isWaiting: undefined },
  ]);
});

test('a home is removed by its host, though a session of the same name does something', async () => {
  const { runtime, run, resultOf } = openRunner();
  run({ action: 'start_session', sessionId: 'ann', spec });

  const commandId = run({ action: 'remove_home', home: 'ann' });

  assert.deepEqual(await resultOf(commandId), { code: undefined });
  assert.deepEqual(runtime.removedHomes, ['ann']);
});

test('logins are ended at once, whatever else their session is doing', async () => {
  const { ended, run, resultOf } = openRunner();
  run({ action: 'start_session', sessionId: 's-1', spec });

  const commandId = run({ action: 'end_logins', sessionId: 's-1', of: { accessId: 'a-1' }, code: 'ACCESS_REVOKED' });

  assert.deepEqual(await resultOf(commandId), { code: undefined });
  assert.partialDeepStrictEqual(ended, [[{ sessionId: 's-1', accessId: 'a-1' }]]);
});
