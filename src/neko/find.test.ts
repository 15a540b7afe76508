import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { findStreamer } from './find.ts';

test('the streamer that NEKO_BIN names is taken before one on PATH', async () => {
  await using folder = await openFolder();
  const asked = await folder.program('my-neko');
  await folder.program('neko');

  assert.deepEqual(findStreamer({ nekoBin: asked, path: folder.path }), { kind: 'neko', file: asked, args: [] });
});

test('a NEKO_BIN that can not be run is an error that says so, not a silent fallback', async () => {
  await using folder = await openFolder();
  const notExecutable = join(folder.path, 'text');
  await writeFile(notExecutable, 'x');

  for (const nekoBin of [notExecutable, '/no/such/neko', folder.path]) {
    try {
      findStreamer({ nekoBin, path: folder.path });
      assert.fail('it was taken');
    } catch (thrown) {
      assert.equal(thrown instanceof GatewayError && thrown.code, 'DEPENDENCY_MISSING');
      assert.include(String(thrown), nekoBin);
    }
  }
});

test('without NEKO_BIN a neko on PATH is taken', async () => {
  await using folder = await openFolder();
  const file = await folder.program('neko');

  assert.deepEqual(findStreamer({ nekoBin: undefined, path: `/nowhere:${folder.path}` }), {
    kind: 'neko',
    file,
    args: [],
  });
});

test('where there is no neko the embedded streamer is run by the same Node', () => {
  const streamer = findStreamer({ nekoBin: undefined, path: '/nowhere' });

  assert.equal(streamer.kind, 'embedded');
  assert.equal(streamer.file, process.execPath);
  assert.match(streamer.args[0] ?? '', /src\/neko\/embedded\/main\.ts$/);
});

async function openFolder() {
  const path = await mkdtemp(join(tmpdir(), 'nk-find-'));
  return {
    path,
    program: async (name: string): Promise<string> => {
      const file = join(path, name);
      await writeFile(file, '#!/bin/sh\n');
      await chmod(file, 0o755);
      return file;
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}
