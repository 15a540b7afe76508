import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../test/harness/folder.ts';
import { WholeFile } from './whole-file.ts';

const LOG = pino({ level: 'silent' });

test('who reads a file that is written all the time never sees half of it, and the last word stays', async () => {
  await using folder = await temporaryFolder();
  const file = new WholeFile(join(folder.path, 'file'), LOG);
  file.write('0'.repeat(100_000));
  await file.idle;

  for (let round = 1; round < 100; round += 1) {
    file.write(String(round % 10).repeat(100_000));
    const text = await readFile(join(folder.path, 'file'), 'utf8');
    assert.equal(text, text.slice(0, 1).repeat(100_000));
  }
  file.write('the end');
  await file.idle;

  assert.equal(await readFile(join(folder.path, 'file'), 'utf8'), 'the end');
  assert.equal((await stat(join(folder.path, 'file'))).mode & 0o777, 0o600);
});

test('a folder that is gone does no harm', async () => {
  const file = new WholeFile('/nowhere/at/all', LOG);

  file.write('x');

  assert.isUndefined(await file.idle);
});
