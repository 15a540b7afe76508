// Local folders of the docker proxy, and disks that are full: the remote's, this machine's, and the one with the proxy's memory.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { until } from '../harness/house.ts';
import { DESKTOP_IMAGE } from '../harness/images.ts';
import { NETWORK, setUpProxied } from '../harness/proxied-docker.ts';
import { mountSmallDisk } from '../harness/small-disk.ts';
import { failureOf, setUpSynced } from '../harness/synced-setting.ts';

const DISK_KIB = 2048;
const BIG = Buffer.alloc(1_500_000, 'big');
const FILLER = Buffer.alloc(1_000_000, 'filler');
const SHELL = ['--user', 'root', '--network', NETWORK, '--entrypoint', 'sh', DESKTOP_IMAGE, '-c'];

test("a container does not start when the remote's disk is too full for its folder, in Docker's words; with room it does", async () => {
  await using at = await setUpProxied();
  await using _disk = await mountSmallDisk(join(at.folder, '.cache'), DISK_KIB);
  await using _proxy = await at.openProxy();
  const work = join(at.folder, 'work');
  await mkdir(work);
  await writeFile(join(work, 'big'), BIG);
  await writeFile(join(at.folder, '.cache/filler'), FILLER);
  const run = (): Promise<string> =>
    at
      .run('run', '--rm', '--name', 'proxied-full', '--volume', `${work}:/work`, ...SHELL, 'wc -c < /work/big')
      .catch(String);

  const refused = await run();
  await at.run('rm', '--force', 'proxied-full');
  await until(
    'nothing of it is left',
    async () => (await readdir(join(at.folder, '.cache/nekogate/files'), { recursive: true })).length,
    (left) => left === 1,
  );
  await rm(join(at.folder, '.cache/filler'));
  const said = await run();

  assert.match(refused, /Error response from daemon: no space left on device: .*\/big of the remote host/);
  assert.equal(said, String(BIG.length));
});

test('a full disk of the remote is told, leaves what is there whole, and is done with when there is room', async () => {
  await using at = await setUpSynced();
  await using _disk = await mountSmallDisk(join(at.path, 'deep'), DISK_KIB);
  await writeFile(join(at.here, 'big'), 'small yet');
  const folder = at.open();
  await folder.sync();
  folder.follow();
  await writeFile(join(at.path, 'deep/filler'), FILLER);

  await writeFile(join(at.here, 'big'), BIG);
  const { failure } = await until(
    'it is told',
    async () => folder.status(),
    ({ state }) => state === 'failing',
  );
  assert.match(failure ?? '', /^no space left on device: .*\/there\/big of the remote host/);
  assert.deepEqual(await readdir(at.there), ['big']);
  assert.equal(await readFile(join(at.there, 'big'), 'utf8'), 'small yet');
  await writeFile(join(at.here, 'small'), 'fits');
  await until(
    'the rest goes on',
    () => readdir(at.there),
    (names) => names.includes('small'),
  );
  await rm(join(at.path, 'deep/filler'));

  await until(
    'it is there',
    () => readFile(join(at.there, 'big')),
    (bytes) => bytes.equals(BIG),
  );
  await until(
    'it is in step',
    async () => folder.status(),
    ({ state, failure: left }) => state === 'in step' && left === undefined,
  );
});

test('a full disk here is told, leaves what is here whole, and is done with when there is room', async () => {
  await using at = await setUpSynced();
  await using _disk = await mountSmallDisk(at.here, DISK_KIB);
  await writeFile(join(at.here, 'big'), 'small yet');
  const folder = at.open();
  await folder.sync();
  await writeFile(join(at.here, 'filler'), FILLER);
  await folder.sync();
  await writeFile(join(at.there, 'big'), BIG);

  const { code, message } = await failureOf(folder.sync());

  assert.equal(code, 'DISK_FULL');
  assert.match(message, /^no space left on device: .*\/here\/big of this machine/);
  assert.sameMembers(await readdir(at.here), ['big', 'filler']);
  assert.equal(await readFile(join(at.here, 'big'), 'utf8'), 'small yet');
  await rm(join(at.here, 'filler'));
  await folder.sync();
  assert.isTrue((await readFile(join(at.here, 'big'))).equals(BIG));
});

test('a single file that does not fit at the remote stays there as it was, in place', async () => {
  await using at = await setUpSynced();
  await using _disk = await mountSmallDisk(join(at.path, 'deep'), DISK_KIB);
  await writeFile(join(at.here, 'settings'), 'first');
  const folder = at.open({ only: 'settings' });
  await folder.sync();
  await writeFile(join(at.path, 'deep/filler'), FILLER);
  await writeFile(join(at.here, 'settings'), BIG);

  const { code } = await failureOf(folder.sync());

  assert.equal(code, 'DISK_FULL');
  assert.deepEqual(await readdir(at.there), ['settings']);
  assert.equal(await readFile(join(at.there, 'settings'), 'utf8'), 'first');
  await rm(join(at.path, 'deep/filler'));
  await folder.sync();
  assert.isTrue((await readFile(join(at.there, 'settings'))).equals(BIG));
});

test('a full disk for the memory of what is in step is told; files are carried all the same, and it is kept again when there is room', async () => {
  await using at = await setUpSynced();
  await using _disk = await mountSmallDisk(at.memoryDir, 64);
  await writeFile(join(at.memoryDir, 'filler'), Buffer.alloc(60_000)).catch(() => undefined);
  for (let file = 0; file < 100; file++) await writeFile(join(at.here, `a-file-with-a-longer-name-${file}`), 'x');
  const folder = at.open();

  await folder.sync();

  assert.lengthOf(await readdir(at.there), 100);
  assert.deepEqual(await readdir(at.memoryDir), ['filler']);
  assert.match(at.warnings.join(), /could not be written.*is not remembered/);
  await rm(join(at.memoryDir, 'filler'));
  await folder.sync();
  await folder.close();
  await rm(join(at.here, 'a-file-with-a-longer-name-7'));
  const next = at.open();
  await next.sync();
  assert.lengthOf(await readdir(at.there), 99);
});
