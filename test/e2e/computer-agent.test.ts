// The sample in examples/computer-agent, as it stands.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { test } from 'vitest';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until } from '../harness/house.ts';
import { colourOf, openProgram } from '../harness/program.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/computer-agent/main.ts', import.meta.url));

test('the sample agent does its task at a desktop, by a scripted model', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, paintedTerminal(file));
  const watcher = await openProgram(house, sessionId, 'viewer');
  const look = async (): Promise<string> => colourOf(await watcher.act([{ type: 'screenshot' }]));
  await until('the terminal is blue', look, (colour) => colour === 'blue');
  const { token } = await grant(house, sessionId, 'controller');

  const { stdout } = await execa(process.execPath, [EXAMPLE, sessionId, 'by a model'], {
    env: { NEKOGATE_URL: house.gateway.url, NEKOGATE_ACCESS_TOKEN: token },
  });
  await until('the terminal is green', look, (colour) => colour === 'green');

  assert.equal(stdout, 'I have typed it, and seen 2 pictures.');
  assert.equal(await readFile(file, 'utf8'), 'by a model');
});
