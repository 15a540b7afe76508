// Claim: `docker ps` through the docker proxy takes a fifth of what it takes by ssh://, what comes out of a published port is at least 0.8 times as
// fast as through `ssh -L`, and a hundred calls at once are refused by no sshd.
// The peers are Docker's own ssh:// and OpenSSH's own forwarding, on the same sshd; beside them stands what rsync takes for the same folder, with its own login.
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { pino } from 'pino';
import { readEnvironment } from '../src/config.ts';
import { listen } from '../src/docker-proxy/ports/listeners.ts';
import { startDockerProxy } from '../src/docker-proxy/proxy.ts';
import { SshLink } from '../src/docker-proxy/ssh/link.ts';
import { SyncedFolder } from '../src/docker-proxy/files/synced-folder.ts';
import { ByteReader } from '../src/docker-proxy/streams/byte-reader.ts';
import { splice } from '../src/docker-proxy/streams/splice.ts';
import { openDocker } from '../test/harness/docker.ts';
import { temporaryFolder } from '../test/harness/folder.ts';
import { until } from '../test/harness/house.ts';
import { freePort } from '../test/harness/ports.ts';
import { startSshd } from '../test/harness/sshd.ts';
import { close, median, round } from './run.ts';

const DOCKER = '/usr/bin/docker';
const RUNS = 7;
const CALLS_AT_ONCE = 100;
const MEGABYTES = 300;
const FILES = 1000;
const FOLDERS = 20;
const SOURCE = `
  import { createServer } from 'node:net';
  import { Readable } from 'node:stream';
  const piece = Buffer.alloc(1e6);
  createServer((to) => {
    to.on('error', () => undefined);
    Readable.from((function* () { for (let i = 0; i < ${MEGABYTES}; i++) yield piece; })()).pipe(to);
  }).listen(Number(process.argv.at(-1)), '127.0.0.1');
`;

const log = pino({ level: 'silent' });
await using docker = await openDocker(readEnvironment().dockerHost);
await using folder = await temporaryFolder();
const socket = docker.host.replace('unix://', '');
// For `docker system dial-stdio`, which asks the usual socket unless told otherwise.
await using sshd = await startSshd(folder.path, [`SetEnv DOCKER_HOST=${docker.host}`]);
const destination = { host: 'remote', configFile: sshd.configFile };
const deps = { log, agentSocket: undefined, acceptNewHostKeys: false };
const remote = new SshLink(deps, destination, { kind: 'socket', path: socket });
const doorSocket = join(folder.path, 'docker.sock');
await using _proxy = await startDockerProxy(remote, {
  address: { kind: 'socket', path: doorSocket },
  dataDir: join(folder.path, 'data'),
  log,
});
// Docker's client runs whatever `ssh` it finds, and takes no configuration for it.
const bin = join(folder.path, 'bin');
await mkdir(bin);
await writeFile(join(bin, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${sshd.configFile}' "$@"\n`);
await chmod(join(bin, 'ssh'), 0o755);

const ours: number[] = [];
const theirs: number[] = [];
const direct: number[] = [];
for (let run = 0; run < RUNS; run++) {
  direct.push(await psMs(docker.host));
  ours.push(await psMs(`unix://${doorSocket}`));
  theirs.push(await psMs('ssh://remote'));
}
const results = await Promise.allSettled(Array.from({ length: CALLS_AT_ONCE }, () => ping(doorSocket)));
const refused = results.filter(
  (result) => result.status === 'rejected' || !result.value.startsWith('HTTP/1.1 200'),
).length;

// Processes of their own, for what they cost is neither ours nor OpenSSH's.
const sourcePort = await freePort();
const source = execa(process.execPath, ['--input-type=module', '--eval', SOURCE, String(sourcePort)], {
  reject: false,
});
const listener = await listen({ port: '80/tcp', address: '127.0.0.1', range: undefined }, undefined, (client) => {
  void remote.dialPort(sourcePort).then((stream) => {
    stream.on('error', () => undefined);
    return splice({ stream: client, reader: new ByteReader(client) }, { stream, reader: new ByteReader(stream) });
  });
});
const forwardPort = await freePort();
const ssh = execa(
  'ssh',
  ['-F', sshd.configFile, '-N', '-L', `127.0.0.1:${forwardPort}:127.0.0.1:${sourcePort}`, 'remote'],
  {
    reject: false,
  },
);
await until(
  'ssh -L listens',
  () => drain(forwardPort).catch(() => 0),
  (rate) => rate > 0,
);
const oursRates: number[] = [];
const theirRates: number[] = [];
for (let run = 0; run < RUNS; run++) {
  oursRates.push(await drain(listener.localPort));
  theirRates.push(await drain(forwardPort));
}
ssh.kill('SIGTERM');
await ssh;
await listener.close();
source.kill('SIGTERM');
await source;

// The same folder to the same host, over the same connection settings.
const tree = join(folder.path, 'tree');
for (let at = 0; at < FILES; at++) {
  await mkdir(join(tree, String(at % FOLDERS)), { recursive: true });
  await writeFile(join(tree, String(at % FOLDERS), `${at}.txt`), `${at}\n`.repeat(200));
}
const copy = join(folder.path, 'copy');
const synced = new SyncedFolder(
  { openFiles: () => remote.openFiles(), memoryDir: join(folder.path, 'memory'), log },
  { root: tree, only: undefined, remoteRoot: copy },
);
synced.isTwoWay = true;
const rsync = async (): Promise<void> => {
  const shell = `ssh -F ${sshd.configFile}`;
  await execa('rsync', [
    '--archive',
    '--delete',
    '--rsh',
    shell,
    `${tree}/`,
    `remote:${join(folder.path, 'rsynced')}/`,
  ]);
};
const firstMs = await timeMs(() => synced.sync());
const rsyncFirstMs = await timeMs(rsync);
synced.follow();
const changed = join(tree, '0/0.txt');
const latencies: number[] = [];
const rsyncLatencies: number[] = [];
for (let run = 0; run < RUNS; run++) {
  const text = `changed ${run}`;
  latencies.push(
    await timeMs(async () => {
      await writeFile(changed, text);
      while ((await readFile(join(copy, '0/0.txt'), 'utf8')) !== text) await sleep(1);
    }),
  );
  rsyncLatencies.push(await timeMs(rsync));
}
await synced.close();

const psRatio = round(median(ours) / median(theirs), 3);
const rateRatio = round(median(oursRates) / median(theirRates), 2);
console.table({
  'docker ps, median ms': {
    direct: round(median(direct)),
    'docker proxy': round(median(ours)),
    'ssh://': round(median(theirs)),
    ratio: psRatio,
  },
  'published port, MB/s': {
    'docker proxy': round(median(oursRates)),
    'ssh -L': round(median(theirRates)),
    ratio: rateRatio,
  },
  [`first sync of ${FILES} files, ms`]: {
    'docker proxy': round(firstMs),
    rsync: round(rsyncFirstMs),
    ratio: round(firstMs / rsyncFirstMs, 2),
  },
  'one changed file, median ms': {
    'docker proxy': round(median(latencies)),
    rsync: round(median(rsyncLatencies)),
    ratio: round(median(latencies) / median(rsyncLatencies), 2),
  },
});
close(
  'docker-proxy',
  {
    psDirectMs: round(median(direct)),
    psProxyMs: round(median(ours)),
    psSshMs: round(median(theirs)),
    proxyMbPerSecond: round(median(oursRates)),
    sshMbPerSecond: round(median(theirRates)),
    refused,
    firstSyncMs: round(firstMs),
    rsyncFirstMs: round(rsyncFirstMs),
    oneFileMs: round(median(latencies)),
    rsyncOneFileMs: round(median(rsyncLatencies)),
  },
  {
    psRatio: { value: psRatio, max: 0.2 },
    throughputLoss: { value: round(1 / rateRatio, 2), max: 1.25 },
    refused: { value: refused, max: 0 },
  },
);

async function timeMs(task: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await task();
  return performance.now() - startedAt;
}

async function psMs(host: string): Promise<number> {
  const askedAt = performance.now();
  await execa(DOCKER, ['ps'], { env: { DOCKER_HOST: host, PATH: `${bin}:${readEnvironment().path}` } });
  return performance.now() - askedAt;
}

async function ping(path: string): Promise<string> {
  const client = createConnection(path);
  client.write('GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n');
  const [answer]: unknown[] = await once(client, 'data');
  client.destroy();
  return String(answer);
}

/** @returns megabytes a second; @throws when not all of them came */
async function drain(port: number): Promise<number> {
  const askedAt = performance.now();
  const { stdout } = await execa('bash', ['-c', `wc --bytes < /dev/tcp/127.0.0.1/${port}`]);
  if (Number(stdout) !== MEGABYTES * 1e6) throw new Error(`${stdout} bytes came`);
  return MEGABYTES / ((performance.now() - askedAt) / 1000);
}
