import type { Stats } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
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
import { SideError, type Side } from './side.ts';

const MODE_BITS = 0o777;

/** A folder of this machine. Nothing is written through a symlink that leads out of it, whoever made that. */
export class LocalSide implements Side {
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
      throw toSideError(error, path);
    });
    const all = await Promise.all(names.map(async (name) => [name, await this.find(join(path, name))] as const));
    return all.flatMap(([name, entry]) => (entry === undefined ? [] : [[name, entry]]));
  }

  async find(path: string): Promise<Entry | undefined> {
    try {
      return await entryOf(await lstat(this.absolute(path)), () => readlink(this.absolute(path)));
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw toSideError(error, path);
    }
  }

  async makeFolder(path: string): Promise<void> {
    await this.guard(path);
    await mkdir(this.absolute(path));
  }

  async makeLink(path: string, target: string): Promise<void> {
    await this.guard(path);
    await symlink(target, this.absolute(path));
  }

  async remove(path: string, kind: Entry['kind']): Promise<void> {
    await this.guard(path);
    await (kind === 'folder' ? rmdir : unlink)(this.absolute(path));
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.guard(path);
    await chmod(this.absolute(path), mode);
  }

  async finish(path: string, { mode, mtimeMs }: Entry & { kind: 'file' }): Promise<void> {
    await chmod(this.absolute(path), mode);
    await utimes(this.absolute(path), mtimeMs / 1000, mtimeMs / 1000);
  }

  async move(from: string, to: string): Promise<void> {
    await this.guard(to);
    await rename(this.absolute(from), this.absolute(to));
  }

  async guard(path: string): Promise<void> {
    const parent = await realpath(dirname(this.absolute(path)));
    if (parent !== this.#root && !parent.startsWith(this.#root + sep))
      throw new Error(`${path} would be written outside ${this.#root}`);
  }
}

async function entryOf(stats: Stats, readTarget: () => Promise<string>): Promise<Entry | undefined> {
  const mode = stats.mode & MODE_BITS;
  if (stats.isFile()) return { kind: 'file', mode, size: stats.size, mtimeMs: stats.mtimeMs };
  if (stats.isDirectory()) return { kind: 'folder', mode };
  return stats.isSymbolicLink() ? { kind: 'link', target: await readTarget() } : undefined;
}

function toSideError(error: unknown, path: string): unknown {
  if (isCode(error, 'ENOENT', 'ENOTDIR')) return new SideError('gone', `${path} is gone`, { cause: error });
  if (isCode(error, 'EACCES', 'EPERM')) return new SideError('closed', `${path} can't be read`, { cause: error });
  return error;
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
