import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, assert, beforeEach, test } from 'vitest';
import { loadAdminToken } from './admin-token.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nekogate-token-'));
});
afterEach(() => rm(dir, { recursive: true }));

test('the token is made once, for this user only, and stays', async () => {
  const first = await loadAdminToken(dir);
  const second = await loadAdminToken(dir);

  assert.match(first, /^[0-9a-f]{64}$/);
  assert.equal(second, first);
  assert.equal((await stat(join(dir, 'admin-token'))).mode & 0o777, 0o600);
});

test('gateways that start at once in one folder agree on one token and leave nothing else there', async () => {
  const tokens = await Promise.all(Array.from({ length: 8 }, () => loadAdminToken(dir)));

  assert.equal(new Set(tokens).size, 1);
  assert.deepEqual(await readdir(dir), ['admin-token']);
});

test('a file with something else is not taken for a token', async () => {
  await writeFile(join(dir, 'admin-token'), '\n');

  const failure: unknown = await loadAdminToken(dir).catch((error: unknown) => error);

  assert.match(String(failure), /does not hold 64 hex digits/);
});
