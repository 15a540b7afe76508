import { assert, test } from 'vitest';
import { Child } from '../process/child.ts';
import { Keeper, type Part } from './keeper.ts';

const LIMITS = { firstDelayMs: 1, maxDelayMs: 1, restartsMax: 2, peaceMs: 60_000 };
const SIGNAL = new AbortController().signal;

test('a program that its user closes again and again is always started anew', async () => {
  const starts = Promise.withResolvers<void>();
  let count = 0;
  const part = shell('exit 0', () => {
    count += 1;
    if (count === 6) starts.resolve();
  });
  await using keeper = await Keeper.start(
    { ...part, isWish: (exit) => exit.kind === 'code' && exit.code === 0 },
    { limits: LIMITS, onChange: () => undefined },
    SIGNAL,
  );

  await starts.promise;

  await keeper.stop();
  assert.isAtLeast(count, 6);
});

test('a part that keeps failing is restarted as often as the limit says, each time told, and then given up', async () => {
  const changes: (string | undefined)[] = [];
  await using keeper = await Keeper.start(
    shell('echo last words >&2; exit 7', () => undefined),
    { limits: LIMITS, onChange: (loss) => changes.push(loss) },
    SIGNAL,
  );

  const { reason, logTail } = await keeper.givenUp;

  assert.equal(reason, 'the part exited with code 7, and again after every restart');
  assert.deepEqual(logTail, ['last words']);
  assert.deepEqual(changes, ['the part exited with code 7', undefined, 'the part exited with code 7', undefined]);
});

test('a keeper that is stopped between two tries starts nothing any more', async () => {
  let count = 0;
  const lost = Promise.withResolvers<void>();
  const part = shell('exit 7', () => (count += 1));
  const keeper = await Keeper.start(
    part,
    { limits: { ...LIMITS, firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 }, onChange: () => lost.resolve() },
    SIGNAL,
  );
  await lost.promise;

  await keeper.stop();

  assert.equal(count, 1);
});

test('a part that comes up just as its keeper is stopped is ended too', async () => {
  const restarting = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const children: Child[] = [];
  const part: Part = {
    name: 'the part',
    // Late, and deaf to being called off.
    start: async () => {
      if (children.length === 1) {
        restarting.resolve();
        await goOn.promise;
      }
      const args = ['-c', children.length === 0 ? 'exit 7' : 'sleep 1000'];
      const child = new Child({ name: 'the part', file: '/bin/sh', args, env: { PATH: '/bin:/usr/bin' }, cwd: '/' });
      children.push(child);
      return child;
    },
  };
  const keeper = await Keeper.start(part, { limits: LIMITS, onChange: () => undefined }, SIGNAL);
  await restarting.promise;

  const stopped = keeper.stop();
  goOn.resolve();
  await stopped;

  assert.deepEqual(await children[1]?.exited, { kind: 'signal', signal: 'SIGTERM' });
});

function shell(script: string, onStart: () => void): Part {
  return {
    name: 'the part',
    start: (signal) => {
      onStart();
      const options = { name: 'the part', file: '/bin/sh', args: ['-c', script], env: {}, cwd: '/' };
      return Child.start(options, async () => undefined, signal);
    },
  };
}
