import { join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../test/harness/folder.ts';
import { AdoptedProcess } from './adopted.ts';
import { Child } from './child.ts';
import { isAlive, listProcesses, type ProcessIdentity } from './table.ts';

/** A process with its output in a file, as one that its first owner left. */
async function openProcess(command: string) {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const logFile = join(folder.path, 'log');
  const options = { name: 'it', file: '/bin/sh', args: ['-c', command], env: {}, cwd: '/', logFile };
  const child = opening.use(new Child(options));
  const { identity } = child;
  assert(identity);
  const adopt = (of: ProcessIdentity = identity): AdoptedProcess =>
    new AdoptedProcess(of, { name: 'it', logFile, stopGraceMs: 100 });
  const owned = opening.move();
  return { identity, child, adopt, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('the end of a process that is not our child is noticed, and its last words are kept', async () => {
  await using opened = await openProcess('echo its last words; exit 3');
  const adopted = opened.adopt();

  assert.deepEqual(await adopted.exited, { kind: 'unseen' });
  await adopted.stop();

  assert.deepEqual(adopted.log.last(1), ['its last words']);
});

test('stopping it ends its whole group, though it ignores what it is told', async () => {
  await using opened = await openProcess('trap "" TERM; sleep 1000 & wait; sleep 1000');
  const adopted = opened.adopt();

  await Promise.all([adopted.stop(), adopted.stop()]);

  assert.isFalse(isAlive(opened.identity));
  assert.isEmpty(listProcesses().filter(({ group }) => group === opened.identity.pid));
});

test('a later process under the same number is left alone', async () => {
  await using opened = await openProcess('sleep 1000');
  const adopted = opened.adopt({ ...opened.identity, startTime: opened.identity.startTime - 1 });

  await adopted.stop();

  assert.isTrue(isAlive(opened.identity));
});

test('the output of a child that has a log file is there when it has ended', async () => {
  await using opened = await openProcess('echo out; echo err >&2');

  await opened.child.exited;
  await opened.child.stop();

  assert.deepEqual(opened.child.log.last(2), ['out', 'err']);
});
