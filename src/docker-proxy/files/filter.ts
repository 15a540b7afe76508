import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import ignore from 'ignore';
import type { Entry } from './entry.ts';

/** Lies in a folder that is kept in step, in .gitignore's syntax. */
export const IGNORE_FILE = '.nekogateignore';
/** Names of files that are not whole yet. */
export const PART_PREFIX = '.nekogate-part-';

/** Which entries are kept in step at all. */
export type Filter = (path: string, entry: Entry) => boolean;

/** @param only of a folder that is there for one file, its name */
export async function readFilter(root: string, only: string | undefined): Promise<Filter> {
  if (only !== undefined) return (path) => path === only;
  const rules = ignore();
  try {
    rules.add(await readFile(join(root, IGNORE_FILE), 'utf8'));
  } catch (error) {
    // Rules that can't be read would let everything through.
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')))
      throw error;
  }
  return (path, entry) =>
    !posix.basename(path).startsWith(PART_PREFIX) &&
    // Not UTF-8: under another name it would be another file.
    !path.includes('\uFFFD') &&
    !rules.ignores(entry.kind === 'folder' ? `${path}/` : path) &&
    !(entry.kind === 'link' && leadsOut(path, entry.target));
}

/** A link of a container's making must not lead whoever reads here to other files of this machine, nor one of here to the remote's. */
function leadsOut(path: string, target: string): boolean {
  const end = posix.join(posix.dirname(path), target);
  return target.startsWith('/') || end === '..' || end.startsWith('../');
}
