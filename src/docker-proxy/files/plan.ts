import { isSame, parentOf, printOf, type Entry, type Tree } from './entry.ts';

/** What one path was on either side when both had the same. */
export interface Known {
  local: string;
  remote: string;
  /** Of the content, when that alone can tell whether something was written at the remote since; empty when the print can. */
  sum: string;
}

/** What both sides had when they were last the same, path by path. */
export type Base = ReadonlyMap<string, Known>;

/**
 * `push`: the remote gets what is here, which may be nothing; `pull`: the other way. `keep`: both changed, so what the remote has is kept beside
 * before a push. `adopt`: they are the same already. `compare`: they look the same, but only their contents can tell. `forget`: neither has it.
 */
export interface Step {
  path: string;
  how: 'push' | 'pull' | 'keep' | 'adopt' | 'compare' | 'forget';
}

export interface Sides {
  base: Base;
  local: Tree;
  remote: Tree;
  /** Else all that the remote has differently is put right. */
  isTwoWay: boolean;
}

/** What is to be done for both sides to be the same. A change outlives a deletion, and of two changes the local one wins. */
export function planSteps(sides: Sides): Step[] {
  const { base, local, remote } = sides;
  const steps = new Map<string, Step['how']>();
  for (const path of new Set([...local.keys(), ...remote.keys(), ...base.keys()])) {
    const how = stepOf(sides, path);
    if (how !== undefined) steps.set(path, how);
  }
  keepFolders(sides, steps);
  return [...steps].map(([path, how]) => ({ path, how }));
}

/**
 * A folder that was removed on one side stays when the other side has put something new into it. Where it was replaced by something else the folder
 * here stays, and the one at the remote is kept beside with what is left in it.
 */
function keepFolders({ local, remote }: Sides, steps: Map<string, Step['how']>): void {
  for (const [path, how] of steps) {
    if (how !== 'pull' && how !== 'push' && how !== 'keep') continue;
    const source = how === 'pull' ? remote : local;
    const target = how === 'pull' ? local : remote;
    if (!source.has(path)) continue;
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) {
      const removes = how === 'pull' ? 'push' : 'pull';
      if (steps.get(at) !== removes || !source.has(at)) continue;
      if (!target.has(at)) steps.set(at, how === 'pull' ? 'pull' : 'push');
      else if (source.get(at)?.kind === 'folder' && target.get(at)?.kind !== 'folder') steps.set(at, 'keep');
    }
  }
}

function stepOf({ base, local, remote, isTwoWay }: Sides, path: string): Step['how'] | undefined {
  const here = local.get(path);
  const there = remote.get(path);
  const before = base.get(path);
  if (here === undefined && there === undefined) return 'forget';
  const isLocalChanged = printOf(here) !== (before?.local ?? '');
  const isRemoteChanged = printOf(there) !== (before?.remote ?? '');
  if (!isLocalChanged && !isRemoteChanged) return undefined;
  // With nothing known, all would have to be read.
  if (isLocalChanged && isRemoteChanged && isSame(here, there))
    return here?.kind === 'file' && base.size > 0 ? 'compare' : 'adopt';
  if (!isTwoWay || !isRemoteChanged) return 'push';
  if (!isLocalChanged || here === undefined) return 'pull';
  return there === undefined || isModeOnly(here, there) ? 'push' : 'keep';
}

/** Of folders both of which changed. */
function isModeOnly(here: Entry, there: Entry): boolean {
  return here.kind === 'folder' && there.kind === 'folder';
}
