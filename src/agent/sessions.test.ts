import assert from 'node:assert/strict';
import { once } from 'node:events';
import { pino } from 'pino';
import { test } from 'vitest';
import { HandRuntime } from '../../test/harness/hand-runtime.ts';
import { GatewayError } from '../errors.ts';
import { SessionSpec, type SessionReport } from '../protocol/session.ts';
import { SessionTable } from './sessions.ts';

const spec = SessionSpec.parse({});
const start = { timeoutMs: 60_000, onProgress: () => undefined, onWait: () => undefined };

function openTable(maxSessions = 4, startsAtOnce = 4) {
  const reports: SessionReport[] = [];
  const runtime = new HandRuntime();
  const table = new SessionTable(runtime, {
    maxSessions,
    startsAtOnce,
    log: pino({ level: 'silent' }),
    onReport: (report) => reports.push(report),
  });
  const states = (): string[] => reports.map(({ state }) => state);
  return { table, runtime, reports, states };
}

test('a session is told as starting, running, stopping, stopped, and is gone after', async () => {
  const { table, runtime, states } = openTable();

  const starting = table.start('s-1', spec, start);
  runtime.ready('s-1');
  await starting;
  await table.stop('s-1');

  assert.deepEqual(states(), ['starting', 'running', 'stopping', 'stopped']);
  assert.deepEqual(table.inventory(), []);
  assert.deepEqual(runtime.stopped, ['s-1']);
});

test('a session that is being repaired is not running, and says why', async () => {
  const { table, runtime, reports } = openTable();
  const starting = table.start('s-1', spec, start);
  const session = runtime.ready('s-1');
  await starting;
  assert.equal(table.getRunning('s-1'), session);

  session.set({ state: 'starting', reason: { code: 'STREAMER_LOST', message: 'neko died' } });

  assert.throws(() => table.getRunning('s-1'), { code: 'SESSION_NOT_RUNNING' });
  assert.deepEqual(reports.at(-1), {
    sessionId: 's-1',
    state: 'starting',
    streamer: 'embedded',
    reason: { code: 'STREAMER_LOST', message: 'neko died' },
  });
});

test('a session that fails for good is cleaned up, keeps its reason in the inventory, and holds no room', async () => {
  const { table, runtime } = openTable(1);
  const starting = table.start('s-1', spec, start);
  const session = runtime.ready('s-1');
  await starting;

  session.set({
    state: 'failed',
    reason: { code: 'DESKTOP_FAILED', message: 'five restarts' },
    logTail: ['last words'],
  });

  assert.deepEqual(runtime.stopped, ['s-1']);
  assert.partialDeepStrictEqual(table.inventory(), [{ state: 'failed', logTail: ['last words'] }]);
  assert.equal(table.count, 0);
});

test('a session is told once as paused and once as running again, and nobody joins it meanwhile', async () => {
  const { table, runtime, states } = openTable();
  const starting = table.start('s-1', spec, start);
  runtime.ready('s-1');
  await starting;

  await table.pause('s-1');
  await table.pause('s-1');
  assert.throws(() => table.getRunning('s-1'), { code: 'SESSION_NOT_RUNNING', message: /is paused/ });
  assert.partialDeepStrictEqual(table.inventory(), [{ sessionId: 's-1', state: 'paused' }]);
  await table.resume('s-1');
  await table.resume('s-1');

  assert.deepEqual(states(), ['starting', 'running', 'paused', 'running']);
  await assert.rejects(table.pause('s-2'), { code: 'SESSION_NOT_FOUND' });
});

test('a session that is hibernated is told so, holds no room, and starts again under its id', async () => {
  const { table, runtime, states } = openTable(1);
  const starting = table.start('s-1', spec, start);
  runtime.ready('s-1');
  await starting;

  await Promise.all([table.hibernate('s-1'), table.hibernate('s-1')]);
  assert.equal(table.count, 0);
  const waking = table.start('s-1', spec, start);
  runtime.ready('s-1');
  await waking;

  assert.deepEqual(states(), ['starting', 'running', 'hibernating', 'hibernated', 'starting', 'running']);
  assert.deepEqual(runtime.stopped, ['s-1']);
});

test('stopping a session that starts ends the start, and its caller is told', async () => {
  const { table, runtime, states } = openTable();
  const starting = table.start('s-1', spec, start);
  await runtime.untilStarted('s-1');

  const stopped = table.stop('s-1');

  await assert.rejects(starting, { code: 'SESSION_ENDED' });
  await stopped;
  assert.deepEqual(table.inventory(), []);
  assert.deepEqual(states(), ['starting', 'failed']);
});

test('a host that is full refuses one more, and starting what runs already changes nothing', async () => {
  const { table, runtime } = openTable(1);
  const starting = table.start('s-1', spec, start);
  runtime.ready('s-1');
  await starting;

  await assert.rejects(table.start('s-2', spec, start), { code: 'SESSION_LIMIT' });
  await table.start('s-1', spec, start);

  assert.equal(table.count, 1);
});

test('stopping twice, and stopping what is not there, is harmless', async () => {
  const { table, runtime } = openTable();
  const starting = table.start('s-1', spec, start);
  runtime.ready('s-1');
  await starting;

  await Promise.all([table.stop('s-1'), table.stop('s-1'), table.stop('s-2')]);

  assert.deepEqual(runtime.stopped, ['s-1']);
});

test('starts beyond what a host takes at once wait in order, and are told how many are before them', async () => {
  const { table, runtime } = openTable(4, 1);
  const told: string[] = [];
  const startTelling = (sessionId: string): Promise<void> =>
    table.start(sessionId, spec, { ...start, onWait: (before) => told.push(`${sessionId} ${before}`) });

  const starts = ['s-1', 's-2', 's-3'].map(startTelling);
  await runtime.untilStarted('s-1');
  assert.partialDeepStrictEqual(table.inventory(), [{ state: 'starting' }, { state: 'pending' }, { state: 'pending' }]);
  for (const [index, started] of starts.entries()) {
    runtime.ready(`s-${index + 1}`);
    await started;
  }

  assert.deepEqual(told, ['s-2 1', 's-3 2', 's-2 0', 's-3 1', 's-3 0']);
  assert.deepEqual(runtime.started, ['s-1', 's-2', 's-3']);
});

test('a session that is stopped while it waits for its start never starts, and who is behind it moves up', async () => {
  const { table, runtime } = openTable(4, 1);
  const told: number[] = [];
  const first = table.start('s-1', spec, start);
  const second = table.start('s-2', spec, start);
  const third = table.start('s-3', spec, { ...start, onWait: (before) => told.push(before) });
  await runtime.untilStarted('s-1');

  const stopped = table.stop('s-2');
  await assert.rejects(second, { code: 'SESSION_ENDED' });
  await stopped;
  runtime.ready('s-1');
  await first;
  runtime.ready('s-3');
  await third;

  assert.deepEqual(told, [2, 1, 0]);
  assert.deepEqual(runtime.started, ['s-1', 's-3']);
});

test('a start that fails or is stopped makes way for the next', async () => {
  const { table, runtime } = openTable(4, 1);
  const first = table.start('s-1', spec, start);
  const second = table.start('s-2', spec, start);
  await runtime.untilStarted('s-1');

  const stopped = table.stop('s-1');
  await assert.rejects(first, { code: 'SESSION_ENDED' });
  await stopped;
  runtime.ready('s-2');
  await second;

  assert.partialDeepStrictEqual(table.inventory(), [{ sessionId: 's-2', state: 'running' }]);
});

test('the time that a start may take is its own: what it waited for others does not count', async () => {
  const { table, runtime } = openTable(4, 1);
  const first = table.start('s-1', spec, start);
  const second = table.start('s-2', spec, { ...start, timeoutMs: 50 });
  await runtime.untilStarted('s-1');
  const longer = AbortSignal.timeout(100);
  await once(longer, 'abort');

  runtime.ready('s-1');
  await first;

  await runtime.untilStarted('s-2');
  await assert.rejects(second, { name: 'TimeoutError' });
});

test('the image of a session is had while others start, and its failure holds nobody up', async () => {
  const { table, runtime } = openTable(4, 1);
  const pulls = new Map<string, PromiseWithResolvers<void>>();
  runtime.prepare = async (_spec, { signal }) => {
    const pull = Promise.withResolvers<void>();
    pulls.set(`s-${pulls.size + 1}`, pull);
    signal.addEventListener('abort', () => pull.reject(signal.reason));
    await pull.promise;
  };
  const first = table.start('s-1', spec, start);
  const second = table.start('s-2', spec, start);
  const third = table.start('s-3', spec, start);

  pulls.get('s-2')?.reject(new GatewayError('IMAGE_MISSING', 'no such image'));
  await assert.rejects(second, { code: 'IMAGE_MISSING' });
  pulls.get('s-3')?.resolve();
  runtime.ready('s-3');
  await third;
  await table.stop('s-1');

  await assert.rejects(first, { code: 'SESSION_ENDED' });
  assert.deepEqual(runtime.started, ['s-3']);
});
