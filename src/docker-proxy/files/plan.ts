import { isSame, printOf, type Tree } from './entry.ts';

/** What both sides had when they were last the same, path by path. */
export type Base = ReadonlyMap<string, { local: string; remote: string }>;

/**
 * `push`: the remote gets what is here, which may be nothing; `pull`: the other way. `keep`: both changed, so what the remote has is kept beside
 * before a push. `adopt`: they are the same already. `forget`: neither has it.
 */
export interface Step {
  path: string;
  how: 'push' | 'pull' | 'keep' | 'adopt' | 'forget';
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

/** A folder that was removed on one side stays when the other side has put something new into it. */
function keepFolders({ local, remote }: Sides, steps: Map<string, Step['how']>): void {
  for (const [path, how] of steps) {
    if (how !== 'pull' && how !== 'push') continue;
    const source = how === 'pull' ? remote : local;
    const target = how === 'pull' ? local : remote;
    if (!source.has(path)) continue;
    for (let at = parentOf(path); at !== ''; at = parentOf(at)) {
      const removes = how === 'pull' ? 'push' : 'pull';
      if (steps.get(at) === removes && source.has(at) && !target.has(at)) steps.set(at, how);
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function stepOf({ base, local, remote, isTwoWay }: Sides, path: string): Step['how'] | undefined {
  const here = local.get(path);
  const there = remote.get(path);
  const before = base.get(path);
  if (here === undefined && there === undefined) return 'forget';
  const isLocalChanged = printOf(here) !== (before?.local ?? '');
  const isRemoteChanged = printOf(there) !== (before?.remote ?? '');
  if (!isLocalChanged && !isRemoteChanged) return undefined;
  if (before === undefined && isSame(here, there)) return 'adopt';
  if (!isTwoWay || !isRemoteChanged) return 'push';
  if (!isLocalChanged || here === undefined) return 'pull';
  const isMode = here.kind === 'folder' && there?.kind === 'folder';
  return there === undefined || isMode ? 'push' : 'keep';
}
