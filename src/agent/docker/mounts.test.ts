import { mkdir, realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { SessionSpec } from '../../protocol/session.ts';
import { bindsOf, openMountRoots } from './mounts.ts';

async function openFolder() {
  const temporary = await temporaryFolder();
  const path = await realpath(temporary.path);
  await mkdir(join(path, 'data', 'ann'), { recursive: true });
  const roots = openMountRoots(
    [
      { name: 'data', path: join(path, 'data'), isWritable: true },
      { name: 'read', path: join(path, 'data'), isWritable: false },
    ],
    [],
  );
  const bind = (mount: object) =>
    bindsOf(roots, SessionSpec.parse({ mounts: [{ target: '/mnt/x', ...mount }] }).mounts);
  return { path, roots, bind, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

test('a session gets a folder of a root, to read unless it asks for more', async () => {
  await using folder = await openFolder();
  const { path, bind } = folder;

  assert.deepInclude(bind({ root: 'data' })[0], { Source: join(path, 'data'), ReadOnly: true });
  assert.deepInclude(bind({ root: 'data', path: 'ann', readOnly: false })[0], {
    Source: join(path, 'data', 'ann'),
    Target: '/mnt/x',
    ReadOnly: false,
  });
});

test('what a root does not have, or allow, is refused by its name', async () => {
  await using folder = await openFolder();
  const { path, bind } = folder;
  await symlink('/etc', join(path, 'data', 'link'));

  assert.throws(() => bind({ root: 'other' }), /mount of other .*--mount-root other=/);
  assert.throws(() => bind({ root: 'read', readOnly: false }), /root is read-only/);
  assert.throws(() => bind({ root: 'data', path: 'link' }), /mount of data\/link .*link on the way/);
  assert.throws(() => bind({ root: 'data', path: 'nothing' }), /no folder in its root/);
});

test.for(['/', '/proc', '/sys/fs', '/dev', '/etc', '/etc/ssl', '/run', '/var/run', '/var', '/nowhere', 'relative'])(
  '%s is never shared with sessions',
  (path) => {
    assert.throws(() => openMountRoots([{ name: 'x', path, isWritable: false }], []), /--mount-root x=/);
  },
);

test("no root is a way to Docker's socket or to what sessions keep, whatever links lead there", async () => {
  await using folder = await openFolder();
  const { path } = folder;
  await symlink(join(path, 'data'), join(path, 'link'));
  const root = (name: string, place: string) => ({ name, path: join(path, place), isWritable: false });

  assert.throws(() => openMountRoots([root('x', 'data')], [join(path, 'data', 'docker.sock')]), /docker\.sock/);
  assert.throws(() => openMountRoots([root('x', 'link')], [join(path, 'data', 'ann')]), /ann/);
  assert.throws(() => openMountRoots([root('x', 'data/ann')], [join(path, 'link')]), /because of/);
  assert.throws(() => openMountRoots([root('x', 'data'), root('x', 'link')], []), /name of another/);
  assert.equal(openMountRoots([root('x', 'link')], [])[0]?.path, join(path, 'data'));
});
