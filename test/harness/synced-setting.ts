import { chown, lstat, mkdir, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import type { RemoteFiles } from '../../src/docker-proxy/files/remote-files.ts';
import { SyncedFolder } from '../../src/docker-proxy/files/synced-folder.ts';
import { SshLink } from '../../src/docker-proxy/ssh/link.ts';
import { GatewayError } from '../../src/errors.ts';
import { temporaryFolder } from './folder.ts';
import { NOBODY, poorFiles, startSshd, type Sshd } from './sshd.ts';

export interface SyncedSetting extends AsyncDisposable {
  path: string;
  here: string;
  there: string;
  sshd: Sshd;
  memoryDir: string;
  openFiles(): Promise<RemoteFiles>;
  /** What was logged as a warning. */
  warnings: string[];
  open(choice?: { only?: string; isTwoWay?: boolean }): SyncedFolder;
}

/** A folder to be kept in step through a real sshd, both ends on this machine. `isPoor`: to the remote user some things are closed, which to root nothing is. */
export async function setUpSynced({ isPoor = false } = {}): Promise<SyncedSetting> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  const isNobody = isPoor && process.getuid?.() === 0;
  if (isNobody) await chown(path, NOBODY, NOBODY);
  const sshd = opening.use(await startSshd(path, isNobody ? [poorFiles(path)] : []));
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
  const link = opening.use(
    new SshLink(
      { log: pino({ level: 'silent' }), agentSocket: undefined, acceptNewHostKeys: false },
      { host: 'remote', configFile: sshd.configFile },
      { kind: 'socket', path: '/nowhere' },
    ),
  );
  const here = join(path, 'here');
  const there = join(path, 'deep/there');
  const memoryDir = join(path, 'memory');
  await mkdir(here);
  const opened = opening.use(new AsyncDisposableStack());
  const openFiles = (): Promise<RemoteFiles> => link.openFiles();
  const open: SyncedSetting['open'] = ({ only, isTwoWay = true } = {}) => {
    const folder = new SyncedFolder({ openFiles, memoryDir, log }, { root: here, only, remoteRoot: there });
    folder.isTwoWay = isTwoWay;
    opened.defer(() => folder.close());
    return folder;
  };
  const owned = opening.move();
  return {
    path,
    here,
    there,
    sshd,
    memoryDir,
    openFiles,
    warnings,
    open,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Every path with what there is to say of it. */
export async function look(folder: string): Promise<Record<string, string>> {
  const paths = await readdir(folder, { recursive: true });
  const seen = await Promise.all(
    paths.map(async (path) => {
      const at = join(folder, path);
      const stats = await lstat(at);
      const content = stats.isSymbolicLink()
        ? `-> ${await readlink(at)}`
        : stats.isDirectory()
          ? 'folder'
          : await readFile(at, 'utf8');
      return [path, stats.isSymbolicLink() ? content : `${(stats.mode & 0o777).toString(8)} ${content}`] as const;
    }),
  );
  return Object.fromEntries(seen.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  return promise.then(
    () => ({ code: 'none', message: '' }),
    (error: unknown) => ({
      code: error instanceof GatewayError ? error.code : 'another',
      message: error instanceof Error ? error.message : String(error),
    }),
  );
}
