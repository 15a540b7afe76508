import ssh2, { type FileEntryWithStats, type SFTPWrapper, type Stats } from 'ssh2';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { OpenFile } from './side.ts';

/** What every sshd has (SFTP version 3, with OpenSSH's rename), each call answered or failed when the connection is lost. */
export class RemoteFiles {
  readonly #sftp: SFTPWrapper;
  /** Of calls that wait for their answer. */
  readonly #refusals = new Set<(error: GatewayError) => void>();
  #alive = true;

  constructor(sftp: SFTPWrapper) {
    this.#sftp = sftp;
    sftp
      .on('error', () => undefined)
      .once('close', () => {
        this.#alive = false;
        for (const refuse of this.#refusals) refuse(lost());
      });
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

  makeFolder(path: string, mode?: number): Promise<void> {
    return this.#tell((done) => this.#sftp.mkdir(path, mode === undefined ? {} : { mode }, done));
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

  /** Where nothing is: OpenSSH's does it by a second name for files. */
  move(from: string, to: string): Promise<void> {
    return this.#tell((done) => this.#sftp.rename(from, to, done));
  }

  /** Over what may be there. */
  replace(from: string, to: string): Promise<void> {
    return this.#tell((done) => this.#sftp.ext_openssh_rename(from, to, done));
  }

  /** Whether fewer bytes than these are free where a path is, or no more files can be made; undefined when the remote can't say. */
  async isFull(path: string, bytes: number): Promise<boolean | undefined> {
    const answer = await this.#ask<unknown>((done) => this.#sftp.ext_openssh_statvfs(path, done)).catch(
      () => undefined,
    );
    const space = Space.safeParse(answer).data;
    if (space === undefined) return undefined;
    // Some file systems count no files.
    return space.f_bavail * space.f_frsize < bytes || (space.f_files > 0 && space.f_favail === 0);
  }

  /** @param flags as Node's; what is made is for the user alone */
  async open(path: string, flags: 'r' | 'r+' | 'wx' | 'w'): Promise<OpenFile> {
    const mode = { mode: MADE_MODE };
    const handle = await this.#ask<Buffer>((done) => this.#sftp.open(path, flags, mode, done));
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => (closing ??= this.#tell((done) => this.#sftp.close(handle, done)));
    return {
      size: async () => (await this.#ask<Stats>((done) => this.#sftp.fstat(handle, done))).size,
      read: (piece, position) => this.#read(handle, piece, position),
      write: (piece, position) =>
        this.#tell((done) => this.#sftp.write(handle, piece, 0, piece.length, position, done)),
      truncate: (size) => this.#tell((done) => this.#sftp.fsetstat(handle, { size }, done)),
      close,
      [Symbol.asyncDispose]: () => close().catch(() => undefined),
    };
  }

  async #read(handle: Buffer, piece: Buffer, position: number): Promise<number> {
    let length = 0;
    while (length < piece.length) {
      const start = length;
      const more = await this.#ask<number>((done) =>
        this.#sftp.read(handle, piece, start, piece.length - start, position + start, done),
      );
      if (more === 0) break;
      length += more;
    }
    return length;
  }

  #tell(call: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
    return this.#ask<undefined>((done) => call((error) => done(error, undefined)));
  }

  #ask<T>(call: (done: (error: Error | null | undefined, result: T) => void) => void): Promise<T> {
    if (!this.#alive) return Promise.reject(lost());
    return new Promise<T>((resolve, reject) => {
      this.#refusals.add(reject);
      call((error, result) => {
        this.#refusals.delete(reject);
        if (error) reject(error);
        else resolve(result);
      });
    });
  }
}

function lost(): GatewayError {
  return new GatewayError('SSH_UNREACHABLE', 'the SSH connection is lost');
}

const MADE_MODE = 0o600;

/** Of statvfs@openssh.com. */
const Space = z.object({
  f_frsize: z.coerce.number(),
  f_bavail: z.coerce.number(),
  f_files: z.coerce.number(),
  f_favail: z.coerce.number(),
});

const { NO_SUCH_FILE, PERMISSION_DENIED, FAILURE } = ssh2.utils.sftp.STATUS_CODE;

export function isMissing(error: unknown): boolean {
  return isStatus(error, NO_SUCH_FILE);
}

export function isDenied(error: unknown): boolean {
  return isStatus(error, PERMISSION_DENIED);
}

/** For all that SFTP version 3 has no word for, a full disk among them. */
export function isUnexplained(error: unknown): boolean {
  return isStatus(error, FAILURE);
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof Error && 'code' in error && error.code === status;
}
