import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { canConnect, freePort } from './ports.ts';

const SSHD = '/usr/sbin/sshd';
const START_MS = 10_000;
const START_POLL_MS = 20;

export interface Sshd extends AsyncDisposable {
  host: string;
  port: number;
  user: string;
  /** For `ssh -F`: the host `remote`, its key in known_hosts, the user's key as IdentityFile. */
  configFile: string;
  knownHostsFile: string;
  keyFile: string;
  /** Kills it and every connection that it has, as when the machine is gone. */
  kill(): Promise<void>;
  /** Listens again after `kill`, with the same keys and port. */
  restart(): Promise<void>;
}

/** Of `nobody`, for whom what is closed is closed; for root nothing is. */
export const NOBODY = 65_534;

/** A line of sshd_config by which files are a poor user's, whoever logs in; their home is a folder that has to be that user's. */
export function poorFiles(folder: string): string {
  const command = `setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups /usr/lib/openssh/sftp-server`;
  return `Subsystem sftp ${command} -d ${folder}`;
}

/** A real sshd of this user on a port of its own; `settings` are lines of sshd_config. */
export async function startSshd(folder: string, settings: readonly string[] = []): Promise<Sshd> {
  const at = join(folder, 'sshd');
  await mkdir(at, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(at, name);
  const host = '127.0.0.1';
  const port = await freePort();
  const user = userInfo().username;
  await makeKey(file('host_key'));
  await makeKey(file('user_key'));
  await writeFile(file('authorized_keys'), await readFile(file('user_key.pub')), { mode: 0o600 });
  const [type, key] = (await readFile(file('host_key.pub'), 'utf8')).split(' ');
  await writeFile(file('known_hosts'), `[${host}]:${port} ${type} ${key}\n`);
  const common = [`UserKnownHostsFile ${file('known_hosts')}`, 'GlobalKnownHostsFile /dev/null', 'IdentityAgent none'];
  const login = [
    `User ${user}`,
    `HostName ${host}`,
    `Port ${port}`,
    `IdentityFile ${file('user_key')}`,
    'IdentitiesOnly yes',
  ];
  await writeFile(file('config'), `Host remote\n${[...login, ...common].map((line) => `  ${line}\n`).join('')}`);
  const config = [
    ...settings,
    `Port ${port}`,
    `ListenAddress ${host}`,
    `HostKey ${file('host_key')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    `PidFile ${file('pid')}`,
    'StrictModes no',
    'UsePAM no',
    // Homes of the remote are ours: what is written there goes with the folder.
    ...(settings.some((line) => line.startsWith('Subsystem ')) ? [] : [`Subsystem sftp internal-sftp -d ${folder}`]),
    'PasswordAuthentication no',
    'PermitRootLogin yes',
    'MaxStartups 100',
    // Else, as root, it looks up clients' names.
    'UseDNS no',
  ];
  await writeFile(file('sshd_config'), `${config.join('\n')}\n`);
  let sshd = await listen(file('sshd_config'), port);
  const kill = async (): Promise<void> => {
    await endTree(sshd);
  };
  return {
    host,
    port,
    user,
    configFile: file('config'),
    knownHostsFile: file('known_hosts'),
    keyFile: file('user_key'),
    kill,
    restart: async () => {
      sshd = await listen(file('sshd_config'), port);
    },
    [Symbol.asyncDispose]: kill,
  };
}

export async function makeKey(file: string, passphrase = ''): Promise<void> {
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', 'test', '-f', file]);
}

async function listen(configFile: string, port: number): Promise<ChildProcess> {
  // Run as root it wants this folder, which Debian makes when the service starts.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const sshd = spawn(SSHD, ['-D', '-e', '-f', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  sshd.stderr.on('data', (text: Buffer) => (log += text.toString()));
  const deadline = Date.now() + START_MS;
  while (!(await canConnect(port))) {
    if (sshd.exitCode !== null || Date.now() > deadline) {
      sshd.kill('SIGKILL');
      throw new Error(`sshd did not start: ${log}`);
    }
    await sleep(START_POLL_MS);
  }
  return sshd;
}

/** The listener first, then the process of each connection, which would outlive it. Idempotent. */
async function endTree(sshd: ChildProcess): Promise<void> {
  if (sshd.pid === undefined || sshd.exitCode !== null || sshd.signalCode !== null) return;
  const exited = once(sshd, 'exit');
  const children = await descendants(sshd.pid);
  sshd.kill('SIGKILL');
  for (const child of children)
    try {
      process.kill(child, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  await exited;
}

async function descendants(pid: number): Promise<number[]> {
  const { stdout } = await execa('ps', ['-eo', 'pid=,ppid='], { reject: false });
  const pairs = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    pairs.flatMap(([child, of]) => (of === parent && child !== undefined ? [child, ...below(child)] : []));
  return below(pid);
}
