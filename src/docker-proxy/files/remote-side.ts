import { posix } from 'node:path';
import type { Stats } from 'ssh2';
import { toSeconds, type Entry } from './entry.ts';
import { isDenied, isMissing, isUnexplained, type RemoteFiles } from './remote-files.ts';
import { ChangedMeanwhile, SideError, type OpenFile, type Side } from './side.ts';

const MODE_BITS = 0o777;
const FILE_TYPE_BITS = 0o170_000;
const FILE_TYPES: Record<number, 'file' | 'folder' | 'link'> = {
  0o100_000: 'file',
  0o040_000: 'folder',
  0o120_000: 'link',
};
const OPEN_FLAGS = { read: 'r', make: 'wx', rewrite: 'r+' } as const;

/** A folder of the remote host, by SFTP. What a container puts in its way leads no write out of it, as far as a look just before can tell. */
export class RemoteSide implements Side {
  readonly host = 'the remote host';
  readonly #files: RemoteFiles;
  readonly #root: string;
  readonly #guards = new Map<string, Promise<void>>();
  #realRoot: Promise<string> | undefined;

  constructor(files: RemoteFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  absolute(path: string): string {
    return posix.join(this.#root, path);
  }

  async list(path: string): Promise<[string, Entry][]> {
    const listed = await this.#files.list(this.absolute(path)).catch((error: unknown) => {
      throw this.#toSideError(error, path);
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
      throw this.#toSideError(error, path);
    }
  }

  async open(path: string, how: 'read' | 'make' | 'rewrite'): Promise<OpenFile> {
    if (how !== 'read') await this.#guard(path);
    return this.#files.open(this.absolute(path), OPEN_FLAGS[how]).catch((error: unknown) => {
      if (how !== 'make' && isMissing(error)) throw new ChangedMeanwhile();
      throw this.#toSideError(error, path);
    });
  }

  async makeFolder(path: string): Promise<void> {
    await this.#guard(path);
    await this.#files.makeFolder(this.absolute(path));
  }

  async makeLink(path: string, target: string): Promise<void> {
    await this.#guard(path);
    await this.#files.makeLink(this.absolute(path), target);
  }

  async remove(path: string, kind: Entry['kind']): Promise<void> {
    await this.#guard(path);
    await (kind === 'folder'
      ? this.#files.removeFolder(this.absolute(path))
      : this.#files.removeFile(this.absolute(path)));
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.#guard(path);
    await this.#files.set(this.absolute(path), { mode });
  }

  finish(path: string, { mode, mtimeMs }: Entry & { kind: 'file' }): Promise<void> {
    const seconds = toSeconds(mtimeMs);
    return this.#files.set(this.absolute(path), { mode, atime: seconds, mtime: seconds });
  }

  async replace(from: string, to: string): Promise<void> {
    await this.#guard(to);
    await this.#files.replace(this.absolute(from), this.absolute(to));
  }

  async move(from: string, to: string): Promise<void> {
    await this.#guard(to);
    await this.#files.move(this.absolute(from), this.absolute(to)).catch(async (error: unknown) => {
      throw (await this.find(to)) === undefined ? error : new ChangedMeanwhile();
    });
  }

  async isFull(error: unknown, bytes: number): Promise<boolean> {
    return isUnexplained(error) && (await this.#files.isFull(this.#root, bytes)) === true;
  }

  /** One look for all that write to a folder at the same time. */
  #guard(path: string): Promise<void> {
    const parent = posix.dirname(path);
    let guard = this.#guards.get(parent);
    if (guard === undefined) {
      guard = this.#refuseOutside(parent).finally(() => this.#guards.delete(parent));
      this.#guards.set(parent, guard);
    }
    return guard;
  }

  async #refuseOutside(parent: string): Promise<void> {
    this.#realRoot ??= this.#files.realPath(this.#root);
    const [root, real] = await Promise.all([this.#realRoot, this.#files.realPath(this.absolute(parent))]).catch(
      (error: unknown) => {
        throw this.#toSideError(error, parent);
      },
    );
    if (real !== root && !real.startsWith(`${root}/`))
      throw new Error(`${this.absolute(parent)} of the remote host leads out of ${this.#root}`);
  }

  async #entry(path: string, attributes: Pick<Stats, 'mode' | 'size' | 'mtime'>): Promise<Entry | undefined> {
    const kind = FILE_TYPES[attributes.mode & FILE_TYPE_BITS];
    const mode = attributes.mode & MODE_BITS;
    if (kind === 'file') return { kind, mode, size: attributes.size, mtimeMs: attributes.mtime * 1000 };
    if (kind === 'folder') return { kind, mode };
    if (kind === undefined) return { kind: 'other' };
    try {
      return { kind, target: await this.#files.readLink(this.absolute(path)) };
    } catch (error) {
      // Gone since it was listed, or replaced.
      if (isMissing(error) || isUnexplained(error)) return undefined;
      throw error;
    }
  }

  #toSideError(error: unknown, path: string): unknown {
    if (isMissing(error)) return new SideError('gone', this, path, { cause: error });
    if (isDenied(error)) return new SideError('closed', this, path, { cause: error });
    return error;
  }
}
