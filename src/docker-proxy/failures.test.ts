// What keeps a client from its daemon, as the docker client shows it.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { dockerAt } from '../../test/harness/docker.ts';
import { temporaryFolder } from '../../test/harness/folder.ts';
import { makeKey, startSshd, type Sshd } from '../../test/harness/sshd.ts';
import { startDockerProxy } from './proxy.ts';
import { SshLink } from './ssh/link.ts';

const log = pino({ level: 'silent' });

const FAILURES: [string, (sshd: Sshd) => Promise<unknown>, RegExp][] = [
  ['no sshd', (sshd) => sshd.kill(), /no SSH connection to \S+: .*ECONNREFUSED/],
  [
    'a key that the host does not take',
    (sshd) => writeFile(join(sshd.keyFile, '..', 'authorized_keys'), ''),
    /takes none of the agent's and the configured keys/,
  ],
  [
    'a host key that nobody knows',
    (sshd) => writeFile(sshd.knownHostsFile, ''),
    /that no known_hosts file has .*--accept-new-host-key/,
  ],
  ['a changed host key', changeHostKey, /shows another host key than at .*ssh-keygen -R/],
  ['no daemon', async () => undefined, /the remote host doesn't open \/nowhere\/docker\.sock/],
];

test.each(FAILURES)("%s is told in the daemon's own style, with the way out", async (_what, prepare, message) => {
  await using folder = await temporaryFolder();
  await using sshd = await startSshd(folder.path);
  await prepare(sshd);
  const link = new SshLink(
    { log, agentSocket: undefined, acceptNewHostKeys: false },
    { host: 'remote', configFile: sshd.configFile },
    { kind: 'socket', path: '/nowhere/docker.sock' },
  );
  const address = { kind: 'socket', path: join(folder.path, 'door.sock') } as const;
  await using proxy = await startDockerProxy(link, { address, dataDir: join(folder.path, 'data'), log });

  const failure = await dockerAt(proxy.url).run(['ps']).catch(String);

  assert.match(failure, /Error response from daemon: /);
  assert.match(failure, message);
});

async function changeHostKey(sshd: Sshd): Promise<void> {
  await makeKey(`${sshd.keyFile}-other`);
  const [type, key] = (await readFile(`${sshd.keyFile}-other.pub`, 'utf8')).split(' ');
  await writeFile(sshd.knownHostsFile, `[${sshd.host}]:${sshd.port} ${type} ${key}\n`);
}
