// What can't be read, written or carried, on either side.
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert, test } from 'vitest';
import { NOBODY } from '../../../test/harness/sshd.ts';
import { failureOf, look, setUpSynced } from '../../../test/harness/synced-setting.ts';

const run = promisify(execFile);

test('what a container keeps from the remote user stays there and is told, and the rest goes on', async () => {
  await using at = await setUpSynced({ isPoor: true });
  await writeFile(join(at.here, 'file'), 'first');
  const folder = at.open();
  await folder.sync();
  await keepSecrets(at.there);
  await writeFile(join(at.there, 'open'), 'open');
  await chmod(join(at.there, 'open'), 0o644);

  await writeFile(join(at.here, 'file'), 'second');
  await folder.sync();

  assert.equal(await readFile(join(at.there, 'file'), 'utf8'), 'second');
  assert.equal(await readFile(join(at.here, 'open'), 'utf8'), 'open');
  assert.notInclude(await readdir(at.here), 'secret');
  const { state, failure } = folder.status();
  assert.equal(state, 'in step');
  assert.match(failure ?? '', /secret.*permission denied/);
});

test('a copy that nobody uses any more stays while something in it can not come here', async () => {
  await using at = await setUpSynced({ isPoor: true });
  await writeFile(join(at.here, 'file'), 'first');
  const folder = at.open();
  await folder.sync();
  await keepSecrets(at.there);

  const first = await failureOf(folder.retire());
  const left = await readFile(join(at.there, 'secret'), 'utf8').catch(String);
  await rm(join(at.there, 'secret'));
  const second = await failureOf(folder.retire());
  const leftIn = await readFile(join(at.there, 'closed/in'), 'utf8').catch(String);
  await rm(join(at.there, 'closed'), { recursive: true });
  await folder.retire();

  assert.equal(first.code, 'FILES_FAILED');
  assert.match(first.message, /permission denied/);
  assert.equal(left, 'secret');
  assert.match(second.message, /closed.*permission denied/);
  assert.equal(leftIn, 'secret');
  assert.notInclude(await readdir(join(at.path, 'deep')), 'there');
});

test('a file here that can not be read fails the start, by its name and with the way out, which helps', async () => {
  await using at = await setUpSynced({ isPoor: true });
  await writeFile(join(at.here, 'file'), 'x');
  const folder = at.open();
  await folder.sync();
  await writeFile(join(at.here, 'secret'), 'mine');
  await writeFile(join(at.here, 'file'), 'carried all the same');
  await keepFromOthers(join(at.here, 'secret'));

  const { code, message } = await asPoor(() => failureOf(folder.sync()));

  assert.equal(code, 'FILES_FAILED');
  assert.include(message, join(at.here, 'secret'));
  assert.include(message, 'permission denied');
  assert.include(message, '.nekogateignore');
  assert.equal(await readFile(join(at.there, 'file'), 'utf8'), 'carried all the same');
  await writeFile(join(at.here, '.nekogateignore'), '/secret\n');
  await asPoor(() => folder.sync());
  assert.sameMembers(await readdir(at.there), ['.nekogateignore', 'file']);
});

test('a folder that can not be read here fails the start, and nothing of its copy is deleted', async () => {
  await using at = await setUpSynced({ isPoor: true });
  await mkdir(join(at.here, 'closed'));
  await writeFile(join(at.here, 'closed/in'), 'x');
  const folder = at.open();
  await folder.sync();
  await keepFromOthers(join(at.here, 'closed'));

  const { code, message } = await asPoor(() => failureOf(folder.sync()));

  assert.equal(code, 'FILES_FAILED');
  assert.include(message, `${join(at.here, 'closed')} can't be read`);
  assert.equal(await readFile(join(at.there, 'closed/in'), 'utf8'), 'x');
});

test('what the remote user may not write fails the start, and nothing is half done', async () => {
  await using at = await setUpSynced({ isPoor: true });
  await mkdir(join(at.here, 'taken'));
  await writeFile(join(at.here, 'taken/file'), 'first');
  const folder = at.open();
  await folder.sync();
  await keepFromOthers(join(at.there, 'taken'));
  await chmod(join(at.there, 'taken'), 0o555);
  const before = await look(at.there);
  await writeFile(join(at.here, 'taken/file'), 'second');

  const { code, message } = await failureOf(folder.sync());

  assert.equal(code, 'FILES_FAILED');
  assert.include(message, 'taken/file');
  assert.include(message, 'permission denied');
  assert.equal((await look(at.there))['taken/file'], before['taken/file']);
});

test('a copy that the remote user may not enter any more pauses, and nothing here is deleted', async () => {
  await using at = await setUpSynced({ isPoor: true });
  for (const name of ['one', 'two']) await writeFile(join(at.here, name), name);
  const folder = at.open();
  await folder.sync();
  const all = await look(at.here);

  await keepFromOthers(at.there);
  const { code, message } = await failureOf(folder.sync());

  assert.equal(code, 'FILES_PAUSED');
  assert.include(message, 'permission denied');
  assert.deepEqual(await look(at.here), all);
});

test('sockets, pipes and links that lead out keep their place: what the other side has of that name is not written over them', async () => {
  await using at = await setUpSynced();
  const outside = join(at.path, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'file'), 'outside');
  await symlink(outside, join(at.here, 'link'));
  await run('mkfifo', [join(at.here, 'pipe')]);
  const folder = at.open();
  await folder.sync();
  await writeFile(join(at.there, 'pipe'), 'a file');
  await mkdir(join(at.there, 'link'));
  await writeFile(join(at.there, 'link/file'), 'evil');
  await writeFile(join(at.there, 'other'), 'other');

  await folder.sync();

  assert.equal(await readFile(join(outside, 'file'), 'utf8'), 'outside');
  assert.equal(await readFile(join(at.here, 'other'), 'utf8'), 'other');
  assert.match(folder.status().failure ?? '', /is a socket, a device, a pipe or a link/);
  await run('test', ['-p', join(at.here, 'pipe')]);
});

test('nothing is written through a link that a container put in the place of a folder, on its own host either', async () => {
  await using at = await setUpSynced();
  const outside = join(at.path, 'outside');
  await mkdir(outside);
  await mkdir(join(at.here, 'folder'));
  await writeFile(join(at.here, 'folder/file'), 'first');
  const folder = at.open({ isTwoWay: false });
  await folder.sync();
  await rm(join(at.there, 'folder'), { recursive: true });
  await symlink(outside, join(at.there, 'folder'));

  await writeFile(join(at.here, 'folder/file'), 'second');
  await writeFile(join(at.here, 'folder/new'), 'new');
  const { message } = await failureOf(folder.sync());

  assert.deepEqual(await readdir(outside), []);
  assert.include(message, 'a link that leads out');
});

test('names of every kind are carried and kept: quotes, newlines, dashes, dots, 255 bytes; what is not UTF-8 is left out', async () => {
  await using at = await setUpSynced();
  const names = [
    `"'\`$x;|`,
    '-rf',
    '--',
    'a\nb',
    'a:b',
    '..x',
    '...',
    ' ',
    '\\',
    '*?[',
    '\u0001',
    'é',
    'e\u0301',
    'ü'.repeat(127),
  ];
  await mkdir(join(at.here, '-folder'));
  for (const name of names) await writeFile(join(at.here, '-folder', name), name);
  await writeFile(Buffer.concat([Buffer.from(join(at.here, 'not-')), Buffer.from([0xe9])]), 'latin');
  const folder = at.open();
  await folder.sync();
  assert.sameMembers(await readdir(join(at.there, '-folder')), names);
  assert.deepEqual(await readdir(at.there), ['-folder']);

  for (const name of names) {
    await writeFile(join(at.here, '-folder', name), `${name} mine`);
    await writeFile(join(at.there, '-folder', name), `${name} theirs`);
  }
  await folder.sync();

  const all = await look(at.there);
  const { '-folder': itself, ...inIt } = all;
  assert.include(itself, 'folder');
  assert.lengthOf(Object.keys(inIt), 2 * names.length);
  for (const name of names) assert.equal(inIt[`-folder/${name}`], `644 ${name} mine`);
  assert.sameMembers(
    Object.values(inIt).filter((text) => text.endsWith('theirs')),
    names.map((name) => `644 ${name} theirs`),
  );
});

test('a file that becomes shorter, or goes, while it is carried is carried as it is then', async () => {
  await using at = await setUpSynced();
  const big = join(at.here, 'big');
  await writeFile(big, Buffer.alloc(60_000_000, 'x'));
  await writeFile(join(at.here, 'going'), Buffer.alloc(60_000_000, 'x'));
  const folder = at.open();
  const syncing = folder.sync();
  // It has begun.
  while (!(await readdir(at.there).catch(() => [])).some((name) => name.startsWith('.nekogate-part-')));

  await truncate(big, 1000);
  await rm(join(at.here, 'going'));
  await syncing;
  await folder.sync();

  assert.deepEqual(Object.keys(await look(at.there)), ['big']);
  assert.lengthOf(await readFile(join(at.there, 'big')), 1000);
});

test('a folder that one side replaced by a file, while the other put something into it, is kept beside', async () => {
  await using at = await setUpSynced();
  for (const name of ['one', 'two']) {
    await mkdir(join(at.here, name));
    await writeFile(join(at.here, name, 'old'), 'old');
  }
  const folder = at.open();
  await folder.sync();

  await rename(join(at.here, 'one'), join(at.path, 'one'));
  await writeFile(join(at.here, 'one'), 'a file here');
  await writeFile(join(at.there, 'one/new'), 'new there');
  await rename(join(at.there, 'two'), join(at.path, 'two'));
  await writeFile(join(at.there, 'two'), 'a file there');
  await writeFile(join(at.here, 'two/new'), 'new here');
  await folder.sync();
  await folder.sync();

  const all = await look(at.here);
  assert.deepEqual(await look(at.there), all);
  assert.equal(all['one'], '644 a file here');
  assert.equal(all['two/new'], '644 new here');
  const texts = Object.entries(all).map(([path, text]) => `${path.replace(/\d{8}-\d{6}/, 'then')} ${text}`);
  assert.includeMembers(texts, ['one.remote-then/new 644 new there', 'two.remote-then 644 a file there']);
});

/** A file, and a folder with one in it, that the remote user can't read. */
async function keepSecrets(folder: string): Promise<void> {
  await mkdir(join(folder, 'closed'));
  await writeFile(join(folder, 'closed/in'), 'secret');
  await writeFile(join(folder, 'secret'), 'secret');
  for (const name of ['closed', 'secret']) await keepFromOthers(join(folder, name));
}

/** As root's containers do it. */
async function keepFromOthers(path: string): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, 0, 0);
  await chmod(path, process.getuid?.() === 0 ? 0o700 : 0o000);
}

/** As a user for whom what is kept from others is closed. */
async function asPoor<T>(task: () => Promise<T>): Promise<T> {
  const { seteuid } = process;
  if (process.getuid?.() !== 0 || seteuid === undefined) return task();
  seteuid(NOBODY);
  try {
    return await task();
  } finally {
    seteuid(0);
  }
}
