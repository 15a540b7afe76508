import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, opendir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { FOLDER_ENTRIES_MAX, type FileEntry, type FolderList } from '../../protocol/tools.ts';
import { failureOfFile } from './file-failures.ts';
import { holdFolderOf, holdInHome, pathOf } from './home.ts';
import type { BytesAnswer, ToolHandlers } from './tool.ts';

type FileTool = 'listFolder' | 'readFile' | 'writeFile' | 'removeFile';

/** Files go up under a name like this and get their own once they are whole. */
const UPLOAD_PREFIX = '.nekogate-upload-';
const PERMISSIONS = 0o777;

/** Files of the session's home; paths go from there. */
export function fileTools(home: string): Pick<ToolHandlers, FileTool> {
  return {
    listFolder: ({ input: { path } }) => listFolder(home, path),
    readFile: ({ input: { path } }) => readFile(home, path),
    writeFile: ({ input: { path }, body, signal }) => writeFile(home, path, { body, signal }),
    removeFile: async ({ input: { path } }) => {
      await removeFile(home, path);
      return {};
    },
  };
}

async function listFolder(home: string, path: string): Promise<z.input<typeof FolderList>> {
  await using folder = await holdInHome(home, path);
  try {
    const names: string[] = [];
    for await (const { name } of await opendir(pathOf(folder))) {
      names.push(name);
      if (names.length > FOLDER_ENTRIES_MAX) break;
    }
    const entries = await Promise.all(
      names.slice(0, FOLDER_ENTRIES_MAX).map(async (name) => {
        // ENOENT: it was removed while the folder was read.
        const facts = await lstat(pathOf(folder, name)).catch(() => undefined);
        return facts && entryOf(name, facts);
      }),
    );
    return {
      entries: entries
        .filter((entry) => entry !== undefined)
        .toSorted((one, other) => (one.name < other.name ? -1 : 1)),
      isWhole: names.length <= FOLDER_ENTRIES_MAX,
    };
  } catch (thrown) {
    throw failureOfFile(thrown, path);
  }
}

async function readFile(home: string, path: string): Promise<BytesAnswer> {
  await using held = await holdInHome(home, path);
  try {
    const facts = await stat(pathOf(held));
    if (facts.isDirectory())
      throw new GatewayError('CONFLICT', `${path} is a folder; with a slash at its end it is listed`);
    // Nothing else is opened at all: a pipe would wait for its other end, and a device do what it does.
    if (!facts.isFile()) throw new GatewayError('CONFLICT', `${path} is neither a file nor a folder`);
    const file = await open(pathOf(held), constants.O_RDONLY);
    const { size: length } = await file.stat();
    // One that grows meanwhile is given as it was.
    const body = length === 0 ? Readable.from([]) : file.createReadStream({ end: length - 1 });
    if (length === 0) await file.close();
    return { type: 'application/octet-stream', length, body };
  } catch (thrown) {
    throw failureOfFile(thrown, path);
  }
}

/** What is there under that name stays until all of the new one is, and its permissions after. A link gives way to a file. */
async function writeFile(
  home: string,
  path: string,
  { body, signal }: { body: Readable; signal: AbortSignal },
): Promise<FileEntry> {
  const { folder, name } = await holdFolderOf(home, path, { makes: true });
  await using held = folder;
  const target = pathOf(held, name);
  const upload = pathOf(held, UPLOAD_PREFIX + randomBytes(8).toString('hex'));
  try {
    const before = await lstat(target).catch(() => undefined);
    if (before?.isDirectory()) throw new GatewayError('CONFLICT', `${path} is a folder`);
    const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
    const file = await open(upload, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o666);
    try {
      if (before?.isFile()) await file.chmod(before.mode & PERMISSIONS);
      await pipeline(body, file.createWriteStream(), { signal });
      await rename(upload, target);
    } catch (thrown) {
      await unlink(upload).catch(() => undefined);
      throw thrown;
    }
    return entryOf(name, await lstat(target));
  } catch (thrown) {
    throw failureOfFile(thrown, path);
  }
}

/** A link itself, not what it leads to; a folder when it is empty. */
async function removeFile(home: string, path: string): Promise<void> {
  const { folder, name } = await holdFolderOf(home, path, { makes: false });
  await using held = folder;
  const target = pathOf(held, name);
  try {
    if ((await lstat(target)).isDirectory()) await rmdir(target);
    else await unlink(target);
  } catch (thrown) {
    throw failureOfFile(thrown, path);
  }
}

function entryOf(name: string, facts: Stats): FileEntry {
  return { name, kind: kindOf(facts), size: facts.isFile() ? facts.size : 0, modifiedAt: facts.mtime.toISOString() };
}

function kindOf(facts: Stats): FileEntry['kind'] {
  if (facts.isFile()) return 'file';
  if (facts.isDirectory()) return 'folder';
  return facts.isSymbolicLink() ? 'link' : 'other';
}
