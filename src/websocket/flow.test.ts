import { assert, test } from 'vitest';
import { Flow, type FlowSource } from './flow.ts';

/** A source that notes what it is told, and a reader that takes chunks when the test says so. */
function openFlow(stallMs = 60_000) {
  const told: string[] = [];
  const waiting: (() => void)[] = [];
  const source: FlowSource = { pause: () => told.push('pause'), resume: () => told.push('resume') };
  const stalled = Promise.withResolvers<void>();
  const flow = new Flow(source, { queueBytes: 100, stallMs, onStall: () => stalled.resolve() });
  return {
    flow,
    told,
    stalled: stalled.promise,
    pass: (length: number) => flow.pass(length, (done) => void waiting.push(done)),
    take: () => waiting.shift()?.(),
  };
}

test('a source is paused when enough waits, once, and goes on when less does', () => {
  const { flow, told, pass, take } = openFlow();

  pass(60);
  assert.deepEqual(told, []);
  pass(60);
  pass(60);
  assert.deepEqual(told, ['pause']);
  take();
  assert.deepEqual(told, ['pause']);
  take();
  assert.deepEqual(told, ['pause', 'resume']);
  assert.equal(flow.bytes, 180);
  flow.end();
});

test('a reader that takes at once never pauses its source for good', () => {
  const told: string[] = [];
  const flow = new Flow(
    { pause: () => told.push('pause'), resume: () => told.push('resume') },
    { queueBytes: 100, stallMs: 60_000, onStall: () => undefined },
  );

  flow.pass(500, (done) => done());

  assert.notEqual(told.at(-1), 'pause');
  flow.end();
});

test('a reader that takes nothing is told of', async () => {
  const { flow, told, stalled, pass } = openFlow(20);
  pass(200);

  await stalled;

  assert.deepEqual(told, ['pause']);
  flow.end();
});

test('whoever waits for it to be empty hears of it, and of its end', async () => {
  const { flow, pass, take } = openFlow();
  await flow.emptied();
  pass(10);
  const emptied = flow.emptied();
  take();
  await emptied;
  pass(10);
  const ended = flow.emptied();

  flow.end();

  await ended;
  pass(10);
  assert.equal(flow.bytes, 20, 'nothing passes after the end');
  take();
});
