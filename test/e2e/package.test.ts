// What somebody gets who installs the package: built as `npm run build` does, and packed by npm.
import assert from 'node:assert/strict';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { test } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { temporaryFolder } from '../harness/folder.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/.bin/tsc');
/** The whole package is compiled. */
const BUILD_MS = 180_000;
const PROGRAM = `
import { connect, NekogateError, type Action } from 'nekogate';
const action: Action = { type: 'click', x: 0, y: 0 };
const failure: unknown = await connect({ url: 'http://127.0.0.1:1', token: 'none' })
  .desktop('s-1')
  .act([action])
  .catch((thrown: unknown) => thrown);
if (!(failure instanceof NekogateError)) throw failure;
console.log(failure.code);
`;

test(
  'a program that installs the package imports the client with its types, and has the command',
  async () => {
    await using folder = await temporaryFolder();
    const source = join(folder.path, 'source');
    const installed = join(folder.path, 'package');
    await mkdir(source);
    await cp(join(ROOT, 'package.json'), join(source, 'package.json'));
    await execa(TSC, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(source, 'dist')]);
    await execa('npm', ['pack', '--ignore-scripts', '--pack-destination', folder.path], { cwd: source });
    await execa('tar', ['xzf', `nekogate-${VERSION}.tgz`], { cwd: folder.path });
    await symlink(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
    await mkdir(join(folder.path, 'node_modules'));
    await symlink(installed, join(folder.path, 'node_modules/nekogate'));
    await writeFile(join(folder.path, 'program.mts'), PROGRAM);

    const flags = [
      '--noEmit',
      '--ignoreConfig',
      '--strict',
      '--module',
      'nodenext',
      '--lib',
      'es2024,esnext.disposable,dom',
    ];
    await execa(TSC, [...flags, '--target', 'es2024', '--types', '', 'program.mts'], { cwd: folder.path });
    const program = await execa(process.execPath, ['program.mts'], { cwd: folder.path });
    const command = await execa(process.execPath, [join(installed, 'dist/cli/main.js'), 'mcp', '--help']);

    assert.equal(program.stdout, 'GATEWAY_UNREACHABLE');
    assert.match(command.stdout, /^usage: nekogate mcp/);
  },
  BUILD_MS,
);
