import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import ignore from 'ignore';
import type { Entry } from './entry.ts';

/** Lies in a folder that is kept in step, in .gitignore's syntax. */
export const IGNORE_FILE = '.nekogateignore';
/** Names of files that are not whole yet. */
export const PART_PREFIX = '.nekogate-part-';

/** `left out`: as if it weren't there, on either side. `unfit`: it can't be carried, and nothing of that name is. */
export type Filter = (path: string, entry: Entry) => 'kept' | 'left out' | 'unfit';

/** @param only of a folder that is there for one file, its name */
export async function readFilter(root: string, only: string | undefined): Promise<Filter> {
  if (only !== undefined) return (path, { kind }) => (path === only && kind === 'file' ? 'kept' : 'left out');
  const rules = ignore();
  try {
    rules.add(await readFile(join(root, IGNORE_FILE), 'utf8'));
  } catch (error) {
    // Rules that can't be read would let everything through.
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')))
      throw error;
  }
  return (path, entry) => {
    const isLeftOut =
      posix.basename(path).startsWith(PART_PREFIX) ||
      isMangled(path) ||
      rules.ignores(entry.kind === 'folder' ? `${path}/` : path);
    if (isLeftOut) return 'left out';
    return entry.kind === 'other' || (entry.kind === 'link' && leadsOut(path, entry.target)) ? 'unfit' : 'kept';
  };
}

/** Not UTF-8: under another name it would be another file. */
function isMangled(name: string): boolean {
  return name.includes('\uFFFD');
}

/**
 * A link of a container's making must not lead whoever reads here to other files of this machine, nor one of here to the remote's. Only `..`s at the
 * start count as their number says: behind a name, which may be a link itself, they start from wherever that leads.
 */
function leadsOut(path: string, target: string): boolean {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const names = ups === -1 ? [] : parts.slice(ups);
  const depth = path.split('/').length - 1;
  return (
    target.startsWith('/') || isMangled(target) || names.includes('..') || (ups === -1 ? parts.length : ups) > depth
  );
}
