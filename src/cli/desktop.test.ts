import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert, test } from 'vitest';
import { openEnvironment } from '../../test/harness/desktop.ts';
import type { Environment } from '../config.ts';
import { Child, type UntilReady } from '../process/child.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const SIGNAL = new AbortController().signal;

test('a desktop started by hand says where it answers, and leaves nothing after SIGTERM', async () => {
  await using opened = await openEnvironment();
  let answersAt = '';
  const command = nekogate(opened.environment, ['desktop', '--screen', '640x480', '--no-audio', '--', 'xterm']);
  const until: UntilReady = async (child, signal) => {
    answersAt = (await child.untilLine('stdout', /neko's API +(http:\S+)/, signal))[1] ?? '';
  };
  await using desktop = await Child.start(command, until, SIGNAL);
  const health = await fetch(`${answersAt}/health`);
  assert.equal(await health.text(), 'true');

  await desktop.stop();

  assert.deepEqual(await desktop.exited, { kind: 'code', code: 0 });
  assert.isFalse(existsSync(opened.environment.runtimeDir));
});

test('a desktop that can not start says why and leaves nothing', async () => {
  await using opened = await openEnvironment();
  await using desktop = new Child(nekogate(opened.environment, ['desktop', '--no-audio', '--', 'no-such-program']));

  const exit = await desktop.exited;
  await desktop.stop();

  assert.deepEqual(exit, { kind: 'code', code: 1 });
  assert.include(
    desktop.log.last(20).join('\n'),
    'SESSION_START_FAILED: the program no-such-program is not on this host',
  );
  assert.isFalse(existsSync(opened.environment.runtimeDir));
});

test.each([
  [['--screen', '12'], 'BAD_REQUEST: --screen 12 is not like 1280x720@25'],
  [['--dir', '/nowhere'], 'BAD_REQUEST: /nowhere/spec.json is no order for a desktop'],
])('bad arguments %j are named', async (args, message) => {
  await using opened = await openEnvironment();
  await using desktop = new Child(nekogate(opened.environment, ['desktop', ...args]));

  const exit = await desktop.exited;
  await desktop.stop();

  assert.deepEqual(exit, { kind: 'code', code: 1 });
  assert.include(desktop.log.last(20).join('\n'), message);
});

function nekogate({ path, runtimeDir, nekoBin }: Environment, args: string[]) {
  const env = { PATH: path, NEKOGATE_RUNTIME_DIR: runtimeDir, ...(nekoBin === undefined ? {} : { NEKO_BIN: nekoBin }) };
  return { name: 'nekogate', file: process.execPath, args: [MAIN, ...args], env, cwd: '/', stopGraceMs: 20_000 };
}
