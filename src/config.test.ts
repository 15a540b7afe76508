import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { temporaryFolder } from '../test/harness/folder.ts';
import { readEnvironment } from './config.ts';

test('desktops inherit locale and time zone, and no secret', () => {
  const environment = readEnvironment({
    LANG: 'de_DE.UTF-8',
    TZ: 'Europe/Berlin',
    AWS_SECRET_ACCESS_KEY: 'x',
    PATH: '/bin',
  });

  assert.deepEqual(environment.inheritable, { LANG: 'de_DE.UTF-8', TZ: 'Europe/Berlin' });
});

test('an empty variable counts as one that is not set', () => {
  const environment = readEnvironment({ DATABASE_URL: '', NEKO_BIN: '', AGENT_API_KEY: '', NEKOGATE_RUNTIME_DIR: '' });

  assert.equal(environment.databaseUrl, undefined);
  assert.equal(environment.nekoBin, undefined);
  assert.equal(environment.agentKey, undefined);
  assert.notEqual(environment.runtimeDir, '');
});

test("the database's address, which holds a password, may lie in a file", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'url');
  await writeFile(file, 'postgres://nekogate:secret@postgres/nekogate\n');

  assert.equal(
    readEnvironment({ DATABASE_URL_FILE: file }).databaseUrl,
    'postgres://nekogate:secret@postgres/nekogate',
  );
  assert.throws(
    () => readEnvironment({ DATABASE_URL_FILE: join(folder.path, 'none') }),
    /none, which the environment names/,
  );
});

test("the agent's key is found under its own name first and under its common name too", () => {
  assert.equal(readEnvironment({ AGENT_API_KEY: 'b' }).agentKey, 'b');
  assert.equal(readEnvironment({ NEKOGATE_AGENT_KEY: 'a', AGENT_API_KEY: 'b' }).agentKey, 'a');
});

test("the TURN server's secret comes by the environment", () => {
  assert.equal(readEnvironment({ NEKOGATE_TURN_SECRET: 'north' }).turnSecret, 'north');
  assert.equal(readEnvironment({ NEKOGATE_TURN_SECRET: '' }).turnSecret, undefined);
});
