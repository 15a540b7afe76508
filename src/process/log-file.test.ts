import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../test/harness/folder.ts';
import { boundedLog, readTail } from './log-file.ts';

test('a log never grows beyond its limit, also over a restart, and keeps its latest lines', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'log');
  writeFileSync(file, 'x'.repeat(90));
  const fd = openSync(file, 'a');
  const log = boundedLog(fd, 100);

  for (let line = 0; line < 50; line += 1) {
    log.write(`line ${line}\n`);
    assert.isAtMost(statSync(file).size, 100);
  }
  closeSync(fd);

  assert.match(readFileSync(file, 'utf8'), /line 48\nline 49\n$/);
  assert.deepEqual(readTail(file).slice(-2), ['line 48', 'line 49']);
});

test('a log that can not be written, or is not there, does no harm', async () => {
  await using folder = await temporaryFolder();
  const fd = openSync('/dev/full', 'w');

  boundedLog(fd, 10).write('more than ten bytes');
  closeSync(fd);

  assert.deepEqual(readTail(join(folder.path, 'none')), []);
});
