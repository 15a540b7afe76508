import ssh2, { type FileEntryWithStats, type SFTPWrapper, type Stats } from 'ssh2';
import { GatewayError } from '../../errors.ts';

/** What every sshd has (SFTP version 3, with OpenSSH's rename), each call answered or failed when the connection is lost. */
export class RemoteFiles {
  readonly #sftp: SFTPWrapper;
  readonly #closed: Promise<never>;
  #alive = true;

  constructor(sftp: SFTPWrapper) {
    this.#sftp = sftp;
    this.#closed = new Promise((_resolve, reject) => {
      sftp
        .on('error', () => undefined)
        .once('close', () => {
          this.#alive = false;
          reject(new GatewayError('SSH_UNREACHABLE', 'the SSH connection is lost'));
        });
    });
    this.#closed.catch(() => undefined);
  }

  get alive(): boolean {
    return this.#alive;
  }

  list(path: string): Promise<FileEntryWithStats[]> {
    return this.#ask((done) => this.#sftp.readdir(path, done));
  }

  lstat(path: string): Promise<Stats> {
    return this.#ask((done) => this.#sftp.lstat(path, done));
  }

  readLink(path: string): Promise<string> {
    return this.#ask((done) => this.#sftp.readlink(path, done));
  }

  /** The path without symlinks; of `.`, the user's home. */
  realPath(path: string): Promise<string> {
    return this.#ask((done) => this.#sftp.realpath(path, done));
  }

  makeFolder(path: string): Promise<void> {
    return this.#tell((done) => this.#sftp.mkdir(path, done));
  }

  makeLink(path: string, target: string): Promise<void> {
    return this.#tell((done) => this.#sftp.symlink(target, path, done));
  }

  removeFile(path: string): Promise<void> {
    return this.#tell((done) => this.#sftp.unlink(path, done));
  }

  removeFolder(path: string): Promise<void> {
    return this.#tell((done) => this.#sftp.rmdir(path, done));
  }

  set(path: string, attributes: { mode?: number; atime?: number; mtime?: number }): Promise<void> {
    return this.#tell((done) => this.#sftp.setstat(path, attributes, done));
  }

  /** Over what may be there. */
  move(from: string, to: string): Promise<void> {
    return this.#tell((done) => this.#sftp.ext_openssh_rename(from, to, done));
  }

  put(local: string, remote: string, mode: number): Promise<void> {
    return this.#tell((done) => this.#sftp.fastPut(local, remote, { mode, concurrency: PIECES_AT_ONCE }, done));
  }

  get(remote: string, local: string): Promise<void> {
    return this.#tell((done) => this.#sftp.fastGet(remote, local, { concurrency: PIECES_AT_ONCE }, done));
  }

  #tell(call: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
    return this.#ask<undefined>((done) => call((error) => done(error, undefined)));
  }

  #ask<T>(call: (done: (error: Error | null | undefined, result: T) => void) => void): Promise<T> {
    if (!this.#alive) return Promise.reject(new GatewayError('SSH_UNREACHABLE', 'the SSH connection is lost'));
    const answer = new Promise<T>((resolve, reject) => {
      call((error, result) => (error ? reject(error) : resolve(result)));
    });
    return Promise.race([answer, this.#closed]);
  }
}

/** Of one file, 32 KiB each. */
const PIECES_AT_ONCE = 16;

const { NO_SUCH_FILE, PERMISSION_DENIED } = ssh2.utils.sftp.STATUS_CODE;

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === NO_SUCH_FILE;
}

export function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === PERMISSION_DENIED;
}
