// `nekogate do` and `nekogate screenshot` at a real desktop.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'vitest';
import { z } from 'zod';
import { runNekogate } from '../harness/command.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until } from '../harness/house.ts';
import { cornerColourOf } from '../harness/program.ts';

const Accesses = z.object({ access: z.array(z.object({ revokedAt: z.string().nullable() })) });

test('commands see a desktop and drive it, and leave no access behind', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const typed = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, paintedTerminal(typed));
  const picture = join(folder.path, 'screen.png');
  const look = async (): Promise<string> => {
    const { code, stderr } = await runNekogate(house, ['screenshot', sessionId, '-o', picture]);
    assert.equal(code, 0, stderr);
    const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return cornerColourOf(data, info);
  };
  await until('the terminal is blue', look, (colour) => colour === 'blue');

  const clicked = await runNekogate(house, ['do', sessionId, 'click', '400', '300', 'wait', '10']);
  await until('the terminal is red', look, (colour) => colour === 'red');
  const input = '[{"type": "type", "text": "-- by command"}, {"type": "key", "keys": "Return"}]';
  await runNekogate(house, ['do', sessionId], { input });
  await until('the terminal is green', look, (colour) => colour === 'green');

  assert.deepEqual([clicked.code, clicked.stderr], [0, '']);
  assert.match(clicked.stdout, /"type":"click","outcome":"done"/);
  assert.equal(await readFile(typed, 'utf8'), '-- by command');
  const { access } = await house.callApi('GET', `/api/v1/sessions/${sessionId}/access`, Accesses);
  assert.ok(access.length > 0 && access.every(({ revokedAt }) => revokedAt !== null));
});

test('a picture is of the part and size that was asked for, and takes no more than an access to it', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const { token } = await grant(house, sessionId, 'viewer');
  const output = join(house.environment.dataDir, 'part.webp');

  const { code, stdout } = await runNekogate(
    house,
    ['screenshot', '--region', '10,20,100x80', '--scale', '0.5', '-o', output, sessionId],
    // By the access alone: the administrator's token is not there.
    { env: { NEKOGATE_DATA_DIR: '/nowhere', NEKOGATE_ACCESS_TOKEN: token } },
  );

  const { format, width, height } = await sharp(output).metadata();
  assert.deepEqual([code, format, width, height], [0, 'webp', 50, 40]);
  assert.match(stdout, new RegExp(`"sessionId":"${sessionId}"`));
});

test('a command that fails says at which action, one that makes no sense exits with 2, and neither shows a token', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const { token } = await grant(house, sessionId, 'controller');
  const run = (...args: string[]) => runNekogate(house, args, { env: { NEKOGATE_ACCESS_TOKEN: token } });

  const failed = await run('do', sessionId, 'move', '1', '1', 'click', '800', '0', 'screenshot');
  const senseless = [
    await run('do', sessionId, 'fly'),
    await run('do'),
    await run('screenshot', '--region', 'all', sessionId),
    await run('mcp'),
    await run('mcp', '--session', sessionId, '--allow', 'all'),
    await run('mcp', '--session', sessionId, '--listen', '0'),
  ];
  const elsewhere = await run('screenshot', 's-other');

  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /action 2 of 3: OUT_OF_RANGE/);
  assert.deepEqual(
    senseless.map(({ code }) => code),
    [2, 2, 2, 2, 2, 2],
  );
  assert.deepEqual([elsewhere.code, elsewhere.stdout], [1, '']);
  assert.doesNotMatch(JSON.stringify([failed, senseless, elsewhere]), new RegExp(token));
});
