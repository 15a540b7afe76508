import { constants, type Stats } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rmdir,
  symlink,
  unlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Entry } from './entry.ts';
import { ChangedMeanwhile, SideError, type OpenFile, type Side } from './side.ts';

const MODE_BITS = 0o777;
const MADE_MODE = 0o600;
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Neither through a link of the last moment, nor waiting for the other end of a pipe. */
const OPEN_FLAGS = {
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  make: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
  rewrite: O_RDWR | O_NOFOLLOW | O_NONBLOCK,
};

/** A folder of this machine. Nothing is written through a symlink that leads out of it, whoever made that. */
export class LocalSide implements Side {
  readonly host = 'this machine';
  readonly #root: string;

  /** @param root without symlinks in it */
  constructor(root: string) {
    this.#root = root;
  }

  absolute(path: string): string {
    return join(this.#root, path);
  }

  async list(path: string): Promise<[string, Entry][]> {
    const names = await readdir(this.absolute(path)).catch((error: unknown) => {
      throw this.#toSideError(error, path);
    });
    const all = await Promise.all(names.map(async (name) => [name, await this.find(join(path, name))] as const));
    return all.flatMap(([name, entry]) => (entry === undefined ? [] : [[name, entry]]));
  }

  async find(path: string): Promise<Entry | undefined> {
    try {
      return await entryOf(await lstat(this.absolute(path)), () => readlink(this.absolute(path)));
    } catch (error) {
      // EINVAL: a link that was replaced before it was read.
      if (isCode(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined;
      throw this.#toSideError(error, path);
    }
  }

  async open(path: string, how: 'read' | 'make' | 'rewrite'): Promise<OpenFile> {
    if (how !== 'read') await this.#guard(path);
    const handle = await open(this.absolute(path), OPEN_FLAGS[how], MADE_MODE).catch((error: unknown) => {
      if (how !== 'make' && isCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) throw new ChangedMeanwhile();
      throw this.#toSideError(error, path);
    });
    const close = (): Promise<void> => handle.close();
    if (!(await handle.stat()).isFile()) {
      await close();
      throw new ChangedMeanwhile();
    }
    return {
      size: async () => (await handle.stat()).size,
      async read(piece, position) {
        let length = 0;
        for (let more = -1; more !== 0 && length < piece.length; length += more)
          more = (await handle.read(piece, length, piece.length - length, position + length)).bytesRead;
        return length;
      },
      async write(piece, position) {
        for (let length = 0; length < piece.length;)
          length += (await handle.write(piece, length, piece.length - length, position + length)).bytesWritten;
      },
      truncate: (size) => handle.truncate(size),
      close,
      [Symbol.asyncDispose]: () => close().catch(() => undefined),
    };
  }

  async makeFolder(path: string): Promise<void> {
    await this.#guard(path);
    await mkdir(this.absolute(path));
  }

  async makeLink(path: string, target: string): Promise<void> {
    await this.#guard(path);
    await symlink(target, this.absolute(path));
  }

  async remove(path: string, kind: Entry['kind']): Promise<void> {
    await this.#guard(path);
    await (kind === 'folder' ? rmdir : unlink)(this.absolute(path));
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.#guard(path);
    await chmod(this.absolute(path), mode);
  }

  async finish(path: string, { mode, mtimeMs }: Entry & { kind: 'file' }): Promise<void> {
    await chmod(this.absolute(path), mode);
    await utimes(this.absolute(path), mtimeMs / 1000, mtimeMs / 1000);
  }

  async replace(from: string, to: string): Promise<void> {
    await this.#guard(to);
    await rename(this.absolute(from), this.absolute(to));
  }

  async move(from: string, to: string): Promise<void> {
    await this.#guard(to);
    try {
      await link(this.absolute(from), this.absolute(to));
    } catch (error) {
      if (isCode(error, 'EEXIST') || (await this.find(to)) !== undefined) throw new ChangedMeanwhile();
      // Some file systems have no second names.
      return await rename(this.absolute(from), this.absolute(to));
    }
    await unlink(this.absolute(from));
  }

  isFull(error: unknown): Promise<boolean> {
    return Promise.resolve(isCode(error, 'ENOSPC', 'EDQUOT'));
  }

  async #guard(path: string): Promise<void> {
    const parent = await realpath(dirname(this.absolute(path)));
    if (parent !== this.#root && !parent.startsWith(this.#root + sep))
      throw new Error(`${this.absolute(path)} would be written outside ${this.#root}`);
  }

  #toSideError(error: unknown, path: string): unknown {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return new SideError('gone', this, path, { cause: error });
    if (isCode(error, 'EACCES', 'EPERM')) return new SideError('closed', this, path, { cause: error });
    return error;
  }
}

async function entryOf(stats: Stats, readTarget: () => Promise<string>): Promise<Entry> {
  const mode = stats.mode & MODE_BITS;
  if (stats.isFile()) return { kind: 'file', mode, size: stats.size, mtimeMs: stats.mtimeMs, ctimeMs: stats.ctimeMs };
  if (stats.isDirectory()) return { kind: 'folder', mode };
  return stats.isSymbolicLink() ? { kind: 'link', target: await readTarget() } : { kind: 'other' };
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
