import { posix } from 'node:path';
import { GatewayError } from '../../errors.ts';
import { parentOf, type Entry, type Tree } from './entry.ts';
import { PART_PREFIX, type Filter } from './filter.ts';
import { SideError, type Side } from './side.ts';

/** Of one folder that is kept in step. */
export const ENTRIES_MAX = 200_000;
const FOLDERS_AT_ONCE = 16;

export interface Scan {
  tree: Tree;
  /** Folders that can't be read: what is in them isn't known, so it isn't touched. */
  closed: readonly string[];
  /** What can't be carried, and keeps its name from being used. */
  unfit: ReadonlySet<string>;
  /** Files that aren't whole yet, or were left so. */
  parts: readonly string[];
}

/** All that is in a folder and kept in step. @throws SideError when the folder itself is gone or can't be read, GatewayError POLICY_REFUSED when it has too much */
export async function scan(side: Side, filter: Filter): Promise<Scan> {
  const tree = new Map<string, Entry>();
  const found = { tree, closed: new Array<string>(), unfit: new Set<string>(), parts: new Array<string>() };
  const take = (path: string, entry: Entry): boolean => {
    if (posix.basename(path).startsWith(PART_PREFIX)) found.parts.push(path);
    const verdict = filter(path, entry);
    if (verdict === 'unfit') found.unfit.add(path);
    if (verdict === 'kept') tree.set(path, entry);
    return verdict === 'kept' && entry.kind === 'folder';
  };
  let level = [''];
  while (level.length > 0) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += FOLDERS_AT_ONCE)
      await Promise.all(
        level.slice(at, at + FOLDERS_AT_ONCE).map(async (folder) => {
          for (const [name, entry] of await listOrSkip(side, folder, found.closed)) {
            const path = posix.join(folder, name);
            if (take(path, entry)) next.push(path);
          }
          if (tree.size > ENTRIES_MAX)
            throw new GatewayError(
              'POLICY_REFUSED',
              `${side.absolute('')} has more than ${ENTRIES_MAX} files; name a smaller folder, or leave some out by .nekogateignore`,
            );
        }),
      );
    level = next;
  }
  return found;
}

async function listOrSkip(side: Side, folder: string, closed: string[]): Promise<[string, Entry][]> {
  try {
    return await side.list(folder);
  } catch (error) {
    if (!(error instanceof SideError) || folder === '') throw error;
    // Gone since its parent was listed: nothing is in it.
    if (error.reason === 'closed') closed.push(folder);
    return [];
  }
}

/** Whether a path is among these, or in one of them. */
export function isUnder(paths: { has(path: string): boolean }, path: string): boolean {
  for (let at = path; at !== ''; at = parentOf(at)) if (paths.has(at)) return true;
  return false;
}
