import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';

export interface PostgresCluster extends AsyncDisposable {
  /** Makes an empty database; returns its address. */
  createDatabase(name: string): Promise<string>;
}

interface User {
  uid?: number;
  gid?: number;
}

/** Where Debian puts the server's programs, newest first. */
const INSTALLED_IN = '/usr/lib/postgresql';

async function findPostgres(): Promise<string> {
  const versions = await readdir(INSTALLED_IN).catch(() => []);
  const newest = versions
    .map(Number)
    .filter(Number.isFinite)
    .toSorted((a, b) => b - a)[0];
  if (newest === undefined) throw new Error(`there is no Postgres in ${INSTALLED_IN}; \`npm test\` installs it`);
  return join(INSTALLED_IN, String(newest), 'bin');
}

/** A private Postgres on a Unix socket in a folder of its own, so on no port; gone without a trace when disposed of. */
export async function startPostgres(): Promise<PostgresCluster> {
  const bin = await findPostgres();
  await using starting = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'nekogate-postgres-'));
  starting.defer(() => rm(dir, { recursive: true, force: true }));
  const user = await serverUser();
  if (user.uid !== undefined && user.gid !== undefined) await chown(dir, user.uid, user.gid);
  const cluster = join(dir, 'cluster');
  const options = ['--auth=trust', '--username=postgres', '--no-sync', '--encoding=UTF8', '--locale=C.UTF-8'];
  await execa(join(bin, 'initdb'), ['-D', cluster, ...options], { ...user, cwd: dir });

  const server = spawn(
    join(bin, 'postgres'),
    ['-D', cluster, '-k', dir, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'autovacuum=off'],
    { ...user, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(server, 'exit');
  starting.defer(async () => {
    // SIGINT is its fast shutdown: clients are disconnected.
    server.kill('SIGINT');
    await exited;
  });
  await untilReady(server);
  const owned = starting.move();
  return {
    async createDatabase(name) {
      await execa(join(bin, 'createdb'), ['-h', dir, '-U', 'postgres', name], { ...user, cwd: dir });
      return `postgres://postgres@${encodeURIComponent(dir)}/${name}`;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Postgres refuses to run as root: then it runs as the user that its package made. */
async function serverUser(): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error('there is no user postgres to run Postgres as');
  return { uid: Number(uid), gid: Number(gid) };
}

async function untilReady({ stderr }: ChildProcess): Promise<void> {
  if (!stderr) throw new Error('the server has no stderr');
  const lines: string[] = [];
  for await (const line of createInterface({ input: stderr })) {
    if (line.includes('ready to accept connections')) {
      stderr.resume();
      return;
    }
    lines.push(line);
  }
  throw new Error(`Postgres did not start:\n${lines.join('\n')}`);
}
