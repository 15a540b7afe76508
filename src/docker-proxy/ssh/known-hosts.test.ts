import { execa } from 'execa';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { makeKey } from '../../../test/harness/sshd.ts';
import { addKnownHost, judgeHostKey, knownHostName, knownKeyTypes, readKnownHosts } from './known-hosts.ts';

async function makeHostKey(folder: string, name: string): Promise<{ key: Buffer; line: string }> {
  await makeKey(join(folder, name));
  const [type = '', key = ''] = (await readFile(join(folder, `${name}.pub`), 'utf8')).split(' ');
  return { key: Buffer.from(key, 'base64'), line: `${type} ${key}` };
}

test('a host is known by name, by pattern, by port and by a name that ssh-keygen hashed', async () => {
  await using folder = await temporaryFolder();
  const { key, line } = await makeHostKey(folder.path, 'key');
  const file = join(folder.path, 'known_hosts');
  await writeFile(
    file,
    `# a comment\none,[two]:2222 ${line}\n*.example.org,!bad.example.org ${line}\nhashed ${line}\n`,
  );
  await execa('ssh-keygen', ['-H', '-f', file]);
  const entries = await readKnownHosts([file, join(folder.path, 'not-there')]);
  const judge = (host: string, port = 22): string => judgeHostKey(entries, knownHostName(host, port), key).kind;

  const verdicts = [
    judge('one'),
    judge('ONE'),
    judge('two', 2222),
    judge('two'),
    judge('a.example.org'),
    judge('bad.example.org'),
    judge('hashed'),
  ];

  assert.deepEqual(verdicts, ['known', 'known', 'known', 'unknown', 'known', 'unknown', 'known']);
  assert.include(await readFile(file, 'utf8'), '|1|');
  assert.deepEqual(knownKeyTypes(entries, 'hashed'), ['ssh-ed25519']);
});

test('another key than the known one, a revoked one and one that only an authority stands for are not trusted', async () => {
  await using folder = await temporaryFolder();
  const known = await makeHostKey(folder.path, 'known');
  const other = await makeHostKey(folder.path, 'other');
  const file = join(folder.path, 'known_hosts');
  await writeFile(file, `host ${known.line}\n@revoked * ${other.line}\n@cert-authority ca ${known.line}\n`);
  const entries = await readKnownHosts([file]);

  assert.deepEqual(judgeHostKey(entries, 'host', other.key), { kind: 'revoked', place: `${file}:2` });
  assert.deepEqual(judgeHostKey(entries, 'ca', known.key), { kind: 'unknown' });
  assert.deepEqual(judgeHostKey(entries.slice(0, 1), 'host', other.key), { kind: 'changed', place: `${file}:1` });
});

test('a key that was accepted is known from then on, to ssh-keygen too', async () => {
  await using folder = await temporaryFolder();
  const { key } = await makeHostKey(folder.path, 'key');
  const file = join(folder.path, 'new', 'known_hosts');

  await addKnownHost(file, '[host]:2222', key);

  assert.equal(judgeHostKey(await readKnownHosts([file]), '[host]:2222', key).kind, 'known');
  const { stdout } = await execa('ssh-keygen', ['-F', '[host]:2222', '-f', file]);
  assert.include(stdout, 'found');
});
