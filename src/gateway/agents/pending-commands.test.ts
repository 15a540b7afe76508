import { afterEach, assert, beforeEach, test, vi } from 'vitest';
import { GatewayError } from '../../errors.ts';
import { PendingCommands } from './pending-commands.ts';

const COMMAND = { action: 'stop_session', sessionId: 's-1' } as const;
const DEADLINE_MS = 1000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function runOne() {
  const commands = new PendingCommands('host-1');
  let commandId = '';
  let outcome = 'under way';
  void commands
    .run(COMMAND, { deadlineMs: DEADLINE_MS }, (message) => (commandId = message.commandId))
    .then(
      () => (outcome = 'done'),
      (error: Error & { code: string }) => (outcome = error.code),
    );
  const outcomeAfter = async (ms: number): Promise<string> => {
    await vi.advanceTimersByTimeAsync(ms);
    return outcome;
  };
  return { commands, commandId, outcomeAfter };
}

test('while an agent says that a command waits for others, its deadline stands still', async () => {
  const { commands, commandId, outcomeAfter } = runOne();
  assert.equal(await outcomeAfter(600), 'under way');

  commands.progressed(commandId, 'waiting for 2 starts before it', true);
  commands.progressed(commandId, 'waiting for 1 start before it', true);

  assert.equal(await outcomeAfter(100 * DEADLINE_MS), 'under way');
  commands.finished(commandId);
  assert.equal(await outcomeAfter(0), 'done');
});

test('once it has waited, a command has the time that it had left', async () => {
  const { commands, commandId, outcomeAfter } = runOne();
  await outcomeAfter(600);
  commands.progressed(commandId, 'waiting for 1 start before it', true);
  await outcomeAfter(100 * DEADLINE_MS);

  commands.progressed(commandId, 'its turn has come', false);
  commands.progressed(commandId, 'starting the X server', false);

  assert.equal(await outcomeAfter(399), 'under way');
  assert.equal(await outcomeAfter(1), 'COMMAND_TIMEOUT');
});

test('an agent that is lost ends the commands that wait, too', async () => {
  const { commands, commandId, outcomeAfter } = runOne();
  commands.progressed(commandId, 'waiting for 1 start before it', true);

  commands.fail(new GatewayError('AGENT_OFFLINE', 'gone'));

  assert.equal(await outcomeAfter(0), 'AGENT_OFFLINE');
});
