import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { readFilter } from './filter.ts';

test('links that stay within the folder are carried; those that could lead out, by way of others too, are not', async () => {
  await using folder = await temporaryFolder();
  const filter = await readFilter(folder.path, undefined);
  const carries = (path: string, target: string): boolean => filter(path, { kind: 'link', target }) === 'kept';

  for (const [path, target] of [
    ['link', 'file'],
    ['link', './a/b'],
    ['a/b/link', '../..'],
    ['a/b/link', '../../x'],
    ['a/link', '..'],
    ['link', '..name'],
    ['link', 'a//b/'],
  ] as const)
    assert.isTrue(carries(path, target), `${path} -> ${target}`);
  for (const [path, target] of [
    ['link', '..'],
    ['link', '/etc/passwd'],
    ['a/link', '../../x'],
    ['a/b/link', '../../..'],
    // Where `up` is a link to the folder itself, this is beside the folder.
    ['a/b/link', 'up/../secret'],
    ['link', 'a/../../x'],
    ['link', 'not-utf-8-\uFFFD'],
  ] as const)
    assert.isFalse(carries(path, target), `${path} -> ${target}`);
});

test('sockets, pipes and links that lead out keep their names; what the ignore file names and unfinished files are not there at all', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, '.nekogateignore'), '*.log\n!keep.log\n/build/\n');
  const filter = await readFilter(folder.path, undefined);
  const file = { kind: 'file', mode: 0o644, size: 0, mtimeMs: 0 } as const;

  assert.equal(filter('a.sock', { kind: 'other' }), 'unfit');
  assert.equal(filter('out', { kind: 'link', target: '/' }), 'unfit');
  assert.equal(filter('a/b.log', file), 'left out');
  assert.equal(filter('keep.log', file), 'kept');
  assert.equal(filter('build', { kind: 'folder', mode: 0o755 }), 'left out');
  assert.equal(filter('a/build', { kind: 'folder', mode: 0o755 }), 'kept');
  assert.equal(filter('a/.nekogate-part-x', file), 'left out');
  assert.equal(filter('\uFFFD', file), 'left out');
});
