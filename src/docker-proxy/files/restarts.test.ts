// What a folder and its copy had in common outlives the proxy.
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { failureOf, look, setUpSynced, type SyncedSetting } from '../../../test/harness/synced-setting.ts';

/** A proxy that comes, has both sides the same, and goes. */
async function syncOnce(at: SyncedSetting, isTwoWay = true): Promise<void> {
  const folder = at.open({ isTwoWay });
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function memoryOf(at: SyncedSetting): Promise<string> {
  const [name = '', ...more] = await readdir(at.memoryDir);
  assert.deepEqual(more, []);
  return join(at.memoryDir, name);
}

test('what was deleted and changed on either side while the proxy was away is carried the right way', async () => {
  await using at = await setUpSynced();
  await mkdir(join(at.here, 'folder'));
  for (const name of ['stays', 'deleted-here', 'deleted-there', 'changed-here', 'changed-there', 'both', 'folder/in'])
    await writeFile(join(at.here, name), 'first');
  await syncOnce(at);

  await rm(join(at.here, 'deleted-here'));
  await rm(join(at.there, 'deleted-there'));
  await rm(join(at.there, 'folder'), { recursive: true });
  await writeFile(join(at.here, 'changed-here'), 'mine');
  await writeFile(join(at.there, 'changed-there'), "the container's");
  await writeFile(join(at.here, 'both'), 'mine');
  await writeFile(join(at.there, 'both'), "the container's");
  await syncOnce(at);

  const now = await look(at.here);
  assert.deepEqual(now, await look(at.there));
  const kept = Object.keys(now).find((name) => name.startsWith('both.remote-')) ?? '';
  assert.deepEqual(now, {
    stays: '644 first',
    'changed-here': '644 mine',
    'changed-there': "644 the container's",
    both: '644 mine',
    [kept]: "644 the container's",
  });
  assert.deepEqual(at.warnings, []);
});

test('a folder that was emptied while the proxy was away pauses, on either side', async () => {
  await using at = await setUpSynced();
  for (const name of ['one', 'two']) await writeFile(join(at.here, name), name);
  await syncOnce(at);
  const all = await look(at.here);

  await rename(at.here, `${at.here}.away`);
  await mkdir(at.here);
  assert.equal((await failureOf(syncOnce(at))).code, 'FILES_PAUSED');
  assert.deepEqual(await look(at.there), all);
  await rm(at.here, { recursive: true });
  await rename(`${at.here}.away`, at.here);
  for (const name of ['one', 'two']) await rm(join(at.there, name));

  assert.equal((await failureOf(syncOnce(at))).code, 'FILES_PAUSED');
  assert.deepEqual(await look(at.here), all);
});

test('a memory that is corrupt, of another place or of another copy is dropped and told, and then nothing is deleted', async () => {
  await using at = await setUpSynced();
  for (const name of ['one', 'two']) await writeFile(join(at.here, name), name);
  await syncOnce(at);
  const all = await look(at.here);
  const file = await memoryOf(at);
  const text = await readFile(file, 'utf8');
  const loseOne = async (): Promise<void> => {
    await rm(join(at.here, 'one'));
    at.warnings.length = 0;
    await syncOnce(at);
    assert.deepEqual(await look(at.here), all);
    assert.equal(at.warnings.length, 1, at.warnings.join());
  };

  await writeFile(file, text.replace('["one"', '["one'));
  await loseOne();
  await writeFile(file, text.replace(JSON.stringify(at.here), '"/another"'));
  await loseOne();
  await writeFile(file, text.replace('"version":1', '"version":2'));
  await loseOne();
  // As when the remote's disk was cleaned, or is another one: its folder was made anew for the next container.
  await writeFile(join(at.path, 'deep/there.id'), 'another');
  await loseOne();

  assert.equal((await stat(await memoryOf(at))).mode & 0o777, 0o600);
  assert.equal((await stat(at.memoryDir)).mode & 0o777, 0o700);
});

test('a copy that is gone with its name is made anew', async () => {
  await using at = await setUpSynced();
  for (const name of ['one', 'two']) await writeFile(join(at.here, name), name);
  await syncOnce(at);
  const all = await look(at.here);

  await rm(join(at.path, 'deep'), { recursive: true });
  await syncOnce(at);

  assert.deepEqual(await look(at.here), all);
  assert.deepEqual(await look(at.there), all);
});

test('a memory whose end was cut by the end of the proxy is believed up to there', async () => {
  await using at = await setUpSynced();
  for (const name of ['one', 'two', 'three']) await writeFile(join(at.here, name), name);
  await syncOnce(at);
  const file = await memoryOf(at);
  await rm(join(at.here, 'two'));

  await appendFile(file, '["one","file 4');
  await syncOnce(at);
  await truncate(file, (await stat(file)).size - 2);
  await syncOnce(at);

  assert.sameMembers(Object.keys(await look(at.there)), ['one', 'three']);
  assert.deepEqual(await look(at.here), await look(at.there));
});

test('what was carried and not remembered any more is found to be the same; what only looks the same is kept beside', async () => {
  await using at = await setUpSynced();
  for (const name of ['carried', 'differs', 'other']) await writeFile(join(at.here, name), 'first');
  await syncOnce(at);
  const [now, then] = [new Date(), new Date(2020, 1, 1)];

  for (const folder of [at.here, at.there]) {
    await writeFile(join(folder, 'carried'), 'the same');
    await writeFile(join(folder, 'differs'), folder === at.here ? 'mine' : 'ours');
    for (const name of ['carried', 'differs']) await utimes(join(folder, name), now, then);
  }
  await syncOnce(at);

  const seen = await look(at.here);
  assert.deepEqual(seen, await look(at.there));
  const kept = Object.keys(seen).find((name) => name.startsWith('differs.remote-')) ?? '';
  assert.deepEqual(seen, {
    carried: '644 the same',
    differs: '644 mine',
    [kept]: '644 ours',
    other: '644 first',
  });
});

test('what a proxy that was killed left half done is taken away, and nothing else', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'file'), 'x');
  const folder = at.open();
  await folder.sync();
  await folder.close();
  const [id = ''] = (await readFile(await memoryOf(at), 'utf8')).split('\n');
  assert.include(id, at.there);
  const { createHash } = await import('node:crypto');
  const mine = `.nekogate-part-${createHash('sha256').update(at.there).digest('hex').slice(0, 8)}-1`;
  for (const side of [at.here, at.there])
    for (const name of [mine, '.nekogate-part-00000000-1']) await writeFile(join(side, name), 'half');

  await syncOnce(at);

  for (const side of [at.here, at.there])
    assert.sameMembers(await readdir(side), ['file', '.nekogate-part-00000000-1']);
});
