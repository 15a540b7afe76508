import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { assert, test } from 'vitest';
import { Child, describeExit } from './child.ts';
import { endSessionProcesses, findSessionProcesses, SESSION_DIR_VARIABLE } from './sweep.ts';
import { findProcess, isAlive, listProcesses } from './table.ts';

const SIGNAL = new AbortController().signal;

test('a child that ends before it is ready is reported with its exit, and its last words are kept', async () => {
  const child = new Child(fixture('exits-3'));

  const exit = await child.exited;
  await child.stop();

  assert.deepEqual(exit, { kind: 'code', code: 3 });
  assert.deepEqual(child.log.last(5), ['going down']);
});

test('a program that is not there fails the start with its name', async () => {
  const start = Child.start({ ...fixture('exits-3'), file: '/nowhere/at-all' }, never, SIGNAL);

  const failure = await start.then(() => 'it started', String);

  assert.match(failure, /exits-3 could not be started.*ENOENT/);
});

test('a child that is never ready fails the start after its time, with its last words', async () => {
  const start = Child.start({ ...fixture('ignores-sigterm'), readyMs: 300 }, never, SIGNAL);

  const failure = await start.then(() => 'it started', String);

  assert.match(failure, /^Error: ignores-sigterm was not ready in 300 ms\nready/);
});

test('a child that ignores SIGTERM is killed after its grace', async () => {
  const child = await Child.start({ ...fixture('ignores-sigterm'), stopGraceMs: 50 }, readyLine, SIGNAL);

  await child.stop();

  assert.deepEqual(await child.exited, { kind: 'signal', signal: 'SIGKILL' });
  assert.deepEqual(child.log.last(1), ['ignored']);
});

test('stopping a child ends its whole group', async () => {
  const child = await Child.start(
    { ...fixture('exits-3'), file: '/bin/sh', args: ['-c', 'sleep 1000 & echo ready; wait'] },
    readyLine,
    SIGNAL,
  );
  const group = child.identity?.pid;

  await child.stop();

  assert.isDefined(group);
  assert.isEmpty(listProcesses().filter((entry) => entry.group === group));
});

test('a start that is called off leaves no process', async () => {
  const calledOff = new AbortController();
  let pid = 0;
  const start = Child.start(
    fixture('ignores-sigterm'),
    async (child, signal) => {
      pid = child.identity?.pid ?? 0;
      calledOff.abort(new Error('called off by the test'));
      await never(child, signal);
    },
    calledOff.signal,
  );

  assert.equal(await start.then(() => 'it started', String), 'Error: called off by the test');

  assert.isUndefined(findProcess(pid));
});

test('a daemon that left its group is found by the session folder in its environment', async () => {
  const folder = `/nowhere/session-${process.pid}`;
  const options = { ...fixture('leaves-a-daemon'), env: { [SESSION_DIR_VARIABLE]: folder } };
  let daemon = 0;
  const child = await Child.start(
    options,
    async (started, signal) => {
      daemon = Number((await started.untilLine('stdout', /^daemon (\d+)$/, signal))[1]);
    },
    SIGNAL,
  );
  await child.stop();
  assert.include(findSessionProcesses(folder), daemon);

  await endSessionProcesses(folder);

  assert.isEmpty(findSessionProcesses(folder));
  assert.isFalse(listProcesses().some(({ pid }) => pid === daemon));
});

test('a pid that was reused is not taken for the process that had it', async () => {
  await using child = await Child.start(fixture('ignores-sigterm'), readyLine, SIGNAL);
  const identity = child.identity ?? assert.fail('no pid');

  assert.isTrue(isAlive(identity));
  assert.isFalse(isAlive({ ...identity, startTime: identity.startTime - 1 }));
});

test('an exit is told in words', () => {
  assert.equal(describeExit({ kind: 'signal', signal: 'SIGKILL' }), 'was ended by SIGKILL');
});

function fixture(name: string) {
  const file = fileURLToPath(new URL(`../../test/fixtures/${name}.mjs`, import.meta.url));
  return { name, file: process.execPath, args: [file], env: { PATH: '/usr/bin:/bin' }, cwd: '/', stopGraceMs: 200 };
}

async function readyLine(child: Child, signal: AbortSignal): Promise<void> {
  await child.untilLine('stdout', /^ready$/, signal);
}

async function never(_child: Child, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
  throw new Error('called off');
}
