import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { listMemories, Memory } from './memory.ts';

const log = pino({ level: 'silent' });
const HEAD = { version: 1, root: '/here', remoteRoot: '/there', copyId: 'id', isTwoWay: true } as const;

test('the file grows with what is known, not with all that ever changed, and the next memory knows the same', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'memories/one.jsonl');
  const memory = await Memory.open(file, log);
  memory.begin(HEAD);
  for (let path = 0; path < 20; path++) memory.set(`file ${path}`, { local: 'a', remote: 'b', sum: '' });
  await memory.idle();

  for (let change = 0; change < 30_000; change++) {
    memory.set(`file ${change % 20}`, { local: `a${change}`, remote: 'b\n"', sum: change % 2 ? 'sum' : '' });
    if (change % 1000 === 0) await memory.idle();
  }
  memory.delete('file 3');
  await memory.idle();

  const lines = (await readFile(file, 'utf8')).split('\n');
  assert.isBelow(lines.length, 15_000);
  const next = await Memory.open(file, log);
  assert.deepEqual(new Map(next.known), new Map(memory.known));
  assert.deepEqual(next.known.get('file 19'), { local: 'a29999', remote: 'b\n"', sum: 'sum' });
  assert.equal(next.unsure.size, 9);
  assert.deepEqual(await listMemories(join(folder.path, 'memories')), [HEAD]);
  assert.deepEqual(await readdir(join(folder.path, 'memories')), ['one.jsonl']);
});
