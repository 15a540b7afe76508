// Folders kept in step through a real sshd, both ends on this machine.
import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { execa } from 'execa';
import { assert, test } from 'vitest';
import { until } from '../../../test/harness/house.ts';
import { failureOf, look, setUpSynced } from '../../../test/harness/synced-setting.ts';

test('files, folders, modes, links and odd names are the same at the remote, and what leads out is left out', async () => {
  await using at = await setUpSynced();
  await mkdir(join(at.here, "a b/c'd"), { recursive: true });
  await writeFile(join(at.here, "a b/c'd/e\nf:g"), 'odd');
  await writeFile(join(at.here, 'run.sh'), '#!/bin/sh\n');
  await chmod(join(at.here, 'run.sh'), 0o755);
  await writeFile(join(at.here, 'empty'), '');
  await writeFile(join(at.here, 'ümläut'), 'x'.repeat(3_000_000));
  await symlink('run.sh', join(at.here, 'link'));
  const carried = await look(at.here);
  await symlink('/etc/passwd', join(at.here, 'outside'));
  await execa('mkfifo', [join(at.here, 'pipe')]);

  await at.open().sync();

  assert.deepEqual(await look(at.there), carried);
});

test('changes come over from both sides: edits, new files, renames and deletions', async () => {
  await using at = await setUpSynced();
  await mkdir(join(at.here, 'src'));
  await writeFile(join(at.here, 'src/one'), '1');
  await writeFile(join(at.here, 'src/two'), '2');
  const folder = at.open();
  await folder.sync();

  await writeFile(join(at.here, 'src/one'), 'one');
  await rename(join(at.there, 'src/two'), join(at.there, 'src/three'));
  await mkdir(join(at.there, 'out/deep'), { recursive: true });
  await writeFile(join(at.there, 'out/deep/made'), 'by a container');
  await folder.sync();

  assert.deepEqual(await look(at.here), await look(at.there));
  assert.equal(await readFile(join(at.there, 'src/one'), 'utf8'), 'one');
  assert.equal(await readFile(join(at.here, 'src/three'), 'utf8'), '2');
  assert.equal(await readFile(join(at.here, 'out/deep/made'), 'utf8'), 'by a container');
  await rm(join(at.here, 'out'), { recursive: true });
  await rm(join(at.there, 'src/one'));
  await folder.sync();
  assert.sameMembers(Object.keys(await look(at.here)), ['src', 'src/three']);
  assert.deepEqual(await look(at.here), await look(at.there));
});

test('of two changes the one here wins, and the other is kept beside; a change outlives a deletion', async () => {
  await using at = await setUpSynced();
  for (const name of ['both.txt', 'deleted-here', 'deleted-there']) await writeFile(join(at.here, name), 'first');
  await mkdir(join(at.here, 'folder'));
  const folder = at.open();
  await folder.sync();

  await writeFile(join(at.here, 'both.txt'), 'mine');
  await writeFile(join(at.there, 'both.txt'), "the container's");
  await rm(join(at.here, 'deleted-here'));
  await writeFile(join(at.there, 'deleted-here'), 'still needed');
  await rm(join(at.there, 'deleted-there'));
  await writeFile(join(at.here, 'deleted-there'), 'still wanted');
  await rm(join(at.here, 'folder'), { recursive: true });
  await writeFile(join(at.there, 'folder/new'), 'new');
  await folder.sync();

  const now = await look(at.here);
  assert.deepEqual(now, await look(at.there));
  assert.equal(now['both.txt'], '644 mine');
  const kept = Object.keys(now).find((name) => /^both\.remote-\d{8}-\d{6}\.txt$/.test(name));
  assert.equal(now[kept ?? ''], "644 the container's");
  assert.equal(now['deleted-here'], '644 still needed');
  assert.equal(now['deleted-there'], '644 still wanted');
  assert.equal(now['folder/new'], '644 new');
});

test('edits in quick succession, of one length, are carried one by one from either side, and nothing is kept beside', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'here'), '0');
  await writeFile(join(at.here, 'there'), '0');
  const folder = at.open();
  await folder.sync();

  for (let edit = 1; edit < 10; edit++) {
    await writeFile(join(at.here, 'here'), String(edit));
    await writeFile(join(at.there, 'there'), String(edit));
    await folder.sync();
    const now = { here: `644 ${edit}`, there: `644 ${edit}` };
    assert.deepEqual(await look(at.here), now);
    assert.deepEqual(await look(at.there), now);
  }
});

test('a file that never stops growing is carried as far as it is, and whole in the end; one that is written over all the time is told', async () => {
  await using at = await setUpSynced();
  const log = join(at.there, 'log');
  await writeFile(join(at.here, 'other'), 'x');
  const folder = at.open();
  await folder.sync();
  await writeFile(log, 'first line\n');
  await writeFile(join(at.here, 'restless'), Buffer.alloc(20_000_000));
  const over = new AbortController();
  const write = async (): Promise<void> => {
    for (let line = 0; !over.signal.aborted; line++) {
      await appendFile(log, `line ${line}\n`);
      await utimes(join(at.here, 'restless'), line, line);
    }
  };
  const writing = write();

  await folder.sync();
  const { failure } = folder.status();
  const came = await readFile(join(at.here, 'log'), 'utf8');
  over.abort();
  await writing;
  await folder.sync();

  assert.match(failure ?? '', /restless changes while it is carried/);
  const whole = await readFile(log, 'utf8');
  assert.isTrue(whole.startsWith(came) && came.length > 0);
  assert.equal(await readFile(join(at.here, 'log'), 'utf8'), whole);
  assert.sameMembers(await readdir(at.here), ['log', 'other', 'restless']);
  assert.sameMembers(await readdir(at.there), ['log', 'other', 'restless']);
});

test('a single file that changed on both sides stays in its place, and the other is kept beside it here', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'settings.json'), 'first');
  const folder = at.open({ only: 'settings.json' });
  await folder.sync();
  const { ino } = await stat(join(at.there, 'settings.json'));

  await writeFile(join(at.here, 'settings.json'), 'mine');
  await writeFile(join(at.there, 'settings.json'), "the container's");
  await folder.sync();

  assert.deepEqual(await look(at.there), { 'settings.json': '644 mine' });
  assert.equal((await stat(join(at.there, 'settings.json'))).ino, ino);
  const { 'settings.json': mine, ...kept } = await look(at.here);
  assert.equal(mine, '644 mine');
  assert.deepEqual(Object.values(kept), ["600 the container's"]);
});

test('the empty file that holds the place of a single one until the first sync is not kept beside it', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'settings.json'), 'mine');
  await mkdir(at.there, { recursive: true });
  await writeFile(join(at.there, 'settings.json'), '');

  await at.open({ only: 'settings.json' }).sync();

  assert.deepEqual(await look(at.here), { 'settings.json': '644 mine' });
  assert.deepEqual(await look(at.there), { 'settings.json': '644 mine' });
});

test('how far the first sync is can be seen meanwhile', async () => {
  await using at = await setUpSynced();
  for (let file = 0; file < 300; file++) await writeFile(join(at.here, `file-${file}`), 'x');
  const folder = at.open();
  const seen: string[] = [];

  const syncing = folder.sync().then(() => true);
  const isOver = (): Promise<boolean> => Promise.race([syncing, setImmediate(false)]);
  while (!(await isOver())) {
    const { state, done, total } = folder.status();
    if (done > 0 && done < total) seen.push(`${state} of ${total}`);
  }

  assert.include(seen, 'syncing of 300');
  assert.deepInclude(folder.status(), { state: 'in step', done: 300, total: 300 });
});

test('read-only goes one way: what a container changes is put right, and nothing of it comes here', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'file'), 'mine');
  await writeFile(join(at.here, 'other'), 'mine');
  const folder = at.open({ isTwoWay: false });
  await folder.sync();

  await writeFile(join(at.there, 'file'), 'changed there');
  await writeFile(join(at.there, 'new'), 'there');
  await rm(join(at.there, 'other'));
  await folder.sync();

  assert.deepEqual(await look(at.here), { file: '644 mine', other: '644 mine' });
  assert.deepEqual(await look(at.there), await look(at.here));
});

test('what was written last comes here once only readers are left, also when no proxy was there meanwhile', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'file'), 'first');
  const folder = at.open();
  await folder.sync();
  await writeFile(join(at.there, 'result'), 'made last');

  folder.isTwoWay = false;
  await folder.sync();

  assert.equal((await look(at.here)).result, '644 made last');
  await writeFile(join(at.there, 'odd'), 'put right');
  await folder.sync();
  assert.sameMembers(Object.keys(await look(at.there)), ['file', 'result']);
  folder.isTwoWay = true;
  await folder.sync();
  await folder.close();
  await writeFile(join(at.there, 'result'), 'made while nobody looked');
  await at.open({ isTwoWay: false }).sync();
  assert.equal((await look(at.here)).result, '644 made while nobody looked');
});

test('a folder that vanishes or is emptied pauses, on either side, and goes on when it is back', async () => {
  await using at = await setUpSynced();
  for (const name of ['one', 'two', 'three']) await writeFile(join(at.here, name), name);
  const folder = at.open();
  await folder.sync();
  const all = await look(at.here);

  await rename(at.here, `${at.here}.away`);
  assert.equal((await failureOf(folder.sync())).code, 'FILES_PAUSED');
  await mkdir(at.here);
  assert.equal((await failureOf(folder.sync())).code, 'FILES_PAUSED');
  assert.equal(folder.status().state, 'paused');
  assert.deepEqual(await look(at.there), all);
  await rm(at.here, { recursive: true });
  await rename(`${at.here}.away`, at.here);
  await folder.sync();
  for (const name of ['one', 'two', 'three']) await rm(join(at.there, name));

  assert.equal((await failureOf(folder.sync())).code, 'FILES_PAUSED');
  assert.deepEqual(await look(at.here), all);
  // Some file there says that it was meant.
  await writeFile(join(at.there, 'four'), 'four');
  await folder.sync();
  assert.deepEqual(await look(at.here), { four: '644 four' });
});

test('what .nekogateignore names stays where it is, and naming more of it deletes nothing', async () => {
  await using at = await setUpSynced();
  await mkdir(join(at.here, 'node_modules'));
  await writeFile(join(at.here, 'node_modules/big'), 'big');
  await writeFile(join(at.here, 'a.log'), 'a');
  await writeFile(join(at.here, 'b'), 'b');
  await writeFile(join(at.here, '.nekogateignore'), 'node_modules/\n');
  const folder = at.open();
  await folder.sync();
  assert.sameMembers(Object.keys(await look(at.there)), ['.nekogateignore', 'a.log', 'b']);

  await appendFile(join(at.here, '.nekogateignore'), '*.log\n');
  await folder.sync();
  await rm(join(at.there, 'a.log'));
  await folder.sync();

  assert.equal(await readFile(join(at.here, 'a.log'), 'utf8'), 'a');
  assert.equal(await readFile(join(at.here, 'node_modules/big'), 'utf8'), 'big');
});

test('a folder is not deleted with something in it that is left out; that is said, and the rest goes on', async () => {
  await using at = await setUpSynced();
  await mkdir(join(at.here, 'folder'));
  for (const name of ['.nekogateignore', 'other', 'folder/file']) await writeFile(join(at.here, name), '*.tmp\n');
  const folder = at.open();
  await folder.sync();
  await writeFile(join(at.there, 'folder/left.tmp'), 'left out');

  await rm(join(at.here, 'folder'), { recursive: true });
  await writeFile(join(at.here, 'other'), 'goes on');
  await folder.sync();

  assert.sameMembers(Object.keys(await look(at.there)), ['.nekogateignore', 'other', 'folder', 'folder/left.tmp']);
  assert.equal(await readFile(join(at.there, 'other'), 'utf8'), 'goes on');
  assert.include(folder.status().failure, 'not deleted on both sides');
});

test('a single file is written in place at the remote, comes here whole, and nothing beside it is carried', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'settings'), 'first, and longer');
  await writeFile(join(at.here, 'secret'), 'beside');
  const folder = at.open({ only: 'settings' });
  await folder.sync();
  const { ino: there } = await stat(join(at.there, 'settings'));

  await writeFile(join(at.here, 'settings'), 'second');
  await folder.sync();
  assert.deepEqual(await look(at.there), { settings: '644 second' });
  assert.equal((await stat(join(at.there, 'settings'))).ino, there);
  await writeFile(join(at.there, 'settings'), 'third');
  await folder.sync();

  assert.equal(await readFile(join(at.here, 'settings'), 'utf8'), 'third');
});

test('a container can not write outside the folder through a link of its making', async () => {
  await using at = await setUpSynced();
  const outside = `${at.here}.outside`;
  await mkdir(outside);
  await mkdir(join(at.here, 'folder'));
  await writeFile(join(at.here, 'file'), 'x');
  const folder = at.open();
  await folder.sync();
  // As if it came between a look and the write that follows.
  await rm(join(at.here, 'folder'), { recursive: true });
  await symlink(outside, join(at.here, 'folder'));
  await writeFile(join(at.there, 'folder/evil'), 'evil');

  await folder.sync().catch(() => undefined);

  assert.deepEqual(await readdir(outside), []);
});

test('changes on either side are carried as they come, and again after SSH was lost', async () => {
  await using at = await setUpSynced();
  await writeFile(join(at.here, 'file'), 'first');
  const folder = at.open();
  await folder.sync();
  folder.follow();

  await writeFile(join(at.here, 'file'), 'second');
  await until(
    'it is there',
    () => readFile(join(at.there, 'file'), 'utf8'),
    (text) => text === 'second',
  );
  await at.sshd.kill();
  await writeFile(join(at.here, 'more'), 'while it was away');
  await until(
    'it is noticed',
    async () => folder.status().state,
    (state) => state === 'failing',
  );
  await at.sshd.restart();
  await until(
    'it is there',
    () => readFile(join(at.there, 'more'), 'utf8').catch(String),
    (text) => text === 'while it was away',
  );

  await writeFile(join(at.there, 'back'), 'from a container');
  await until(
    'it is here',
    () => readFile(join(at.here, 'back'), 'utf8').catch(String),
    (text) => text === 'from a container',
  );
});
