import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { test } from 'vitest';

test('the SDK is bundled for browsers, with nothing of Node and nothing of ours beyond the protocol', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('./index.ts', import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });

  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const rooms = Object.keys(metafile.inputs)
    .map((path) => /(?:^|\/)(src\/\w+|node_modules\/[\w@-]+)\//.exec(path)?.[1])
    .filter((room) => room !== undefined);
  assert.deepEqual(imports, []);
  assert.deepEqual([...new Set(rooms)].toSorted(), ['node_modules/zod', 'src/protocol', 'src/sdk']);
});
