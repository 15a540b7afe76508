import assert from 'node:assert/strict';
import { test } from 'vitest';
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

test("the agent's key is found under its own name first and under its common name too", () => {
  assert.equal(readEnvironment({ AGENT_API_KEY: 'b' }).agentKey, 'b');
  assert.equal(readEnvironment({ NEKOGATE_AGENT_KEY: 'a', AGENT_API_KEY: 'b' }).agentKey, 'a');
});
