import { posix } from 'node:path';
import type { Stats } from 'ssh2';
import type { Entry } from './entry.ts';
import { isDenied, isMissing, type RemoteFiles } from './remote-files.ts';
import { SideError, type Side } from './side.ts';

const MODE_BITS = 0o777;
const FILE_TYPE_BITS = 0o170_000;
const FILE_TYPES: Record<number, Entry['kind']> = { 0o100_000: 'file', 0o040_000: 'folder', 0o120_000: 'link' };

/** A folder of the remote host, by SFTP. */
export class RemoteSide implements Side {
  readonly #files: RemoteFiles;
  readonly #root: string;

  constructor(files: RemoteFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  absolute(path: string): string {
    return posix.join(this.#root, path);
  }

  async list(path: string): Promise<[string, Entry][]> {
    const listed = await this.#files.list(this.absolute(path)).catch((error: unknown) => {
      throw toSideError(error, path);
    });
    const all = await Promise.all(
      listed
        .filter(({ filename }) => filename !== '.' && filename !== '..')
        .map(async ({ filename, attrs }) => [filename, await this.#entry(posix.join(path, filename), attrs)] as const),
    );
    return all.flatMap(([name, entry]) => (entry === undefined ? [] : [[name, entry]]));
  }

  async find(path: string): Promise<Entry | undefined> {
    try {
      return await this.#entry(path, await this.#files.lstat(this.absolute(path)));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw toSideError(error, path);
    }
  }

  makeFolder(path: string): Promise<void> {
    return this.#files.makeFolder(this.absolute(path));
  }

  makeLink(path: string, target: string): Promise<void> {
    return this.#files.makeLink(this.absolute(path), target);
  }

  remove(path: string, kind: Entry['kind']): Promise<void> {
    return kind === 'folder'
      ? this.#files.removeFolder(this.absolute(path))
      : this.#files.removeFile(this.absolute(path));
  }

  setMode(path: string, mode: number): Promise<void> {
    return this.#files.set(this.absolute(path), { mode });
  }

  finish(path: string, { mode, mtimeMs }: Entry & { kind: 'file' }): Promise<void> {
    const seconds = Math.floor(mtimeMs / 1000);
    return this.#files.set(this.absolute(path), { mode, atime: seconds, mtime: seconds });
  }

  move(from: string, to: string): Promise<void> {
    return this.#files.move(this.absolute(from), this.absolute(to));
  }

  /** Whoever makes links there runs containers there, and can write where he likes anyway. */
  guard(): Promise<void> {
    return Promise.resolve();
  }

  async #entry(path: string, attributes: Pick<Stats, 'mode' | 'size' | 'mtime'>): Promise<Entry | undefined> {
    const kind = FILE_TYPES[attributes.mode & FILE_TYPE_BITS];
    const mode = attributes.mode & MODE_BITS;
    if (kind === 'file') return { kind, mode, size: attributes.size, mtimeMs: attributes.mtime * 1000 };
    if (kind === 'folder') return { kind, mode };
    if (kind === undefined) return undefined;
    try {
      return { kind, target: await this.#files.readLink(this.absolute(path)) };
    } catch (error) {
      // Gone since it was listed.
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

function toSideError(error: unknown, path: string): unknown {
  if (isMissing(error)) return new SideError('gone', `${path} is gone`, { cause: error });
  if (isDenied(error)) return new SideError('closed', `${path} can't be read`, { cause: error });
  return error;
}
