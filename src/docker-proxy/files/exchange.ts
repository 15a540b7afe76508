import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { messageOf } from '../../errors.ts';
import { inSeconds, printOf, type Entry, type Tree } from './entry.ts';
import { PART_PREFIX } from './filter.ts';
import type { LocalSide } from './local-side.ts';
import type { Step } from './plan.ts';
import type { RemoteFiles } from './remote-files.ts';
import type { RemoteSide } from './remote-side.ts';
import type { Side } from './side.ts';

export interface Exchange {
  here: LocalSide;
  there: RemoteSide;
  files: RemoteFiles;
  /** As both sides were when the steps were planned. */
  local: Tree;
  remote: Tree;
  /** Written as steps succeed. */
  base: Map<string, { local: string; remote: string }>;
  /** A container holds the file itself, not its name: another file of that name would not be seen. */
  isInPlace: boolean;
}

export interface Failure {
  path: string;
  message: string;
  /** What is wanted is not there; else only too much is. */
  isLack: boolean;
}

/** Steps done together. */
const STEPS_AT_ONCE = 32;

/** One step with its direction resolved. */
interface Carry {
  path: string;
  how: 'push' | 'pull';
  source: Entry | undefined;
  target: Entry | undefined;
}

/** Does what was planned, as far as it can be done; what was changed meanwhile is left for the next plan. @returns what failed */
export async function exchange(at: Exchange, steps: readonly Step[], onDone: () => void): Promise<Failure[]> {
  const failures: Failure[] = [];
  const attempt = async (carry: Carry, task: () => Promise<void>): Promise<void> => {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof Changed))
        failures.push({ path: carry.path, message: messageOf(error), isLack: carry.source !== undefined });
    }
  };
  for (const { path, how } of steps)
    if (how === 'adopt' || how === 'forget') settle(at, path, at.local.get(path), at.remote.get(path));
  const carries = steps.flatMap(({ path, how }): Carry[] => {
    const [local, remote] = [at.local.get(path), at.remote.get(path)];
    if (how === 'pull') return [{ path, how, source: remote, target: local }];
    return how === 'push' || how === 'keep' ? [{ path, how: 'push', source: local, target: remote }] : [];
  });
  const kept = new Set(steps.filter(({ how }) => how === 'keep').map(({ path }) => path));
  for (const carry of carries)
    if (kept.has(carry.path))
      await attempt(carry, async () => {
        await at.there.move(carry.path, keptName(carry.path));
        carry.target = undefined;
      });
  const removals = carries.filter(({ source, target }) => target !== undefined && source?.kind !== target.kind);
  for (const level of byDepth(removals).toReversed())
    await inParallel(level, (carry) => attempt(carry, () => remove(at, carry)));
  const folders = carries.filter(({ source }) => source?.kind === 'folder');
  for (const level of byDepth(folders)) await inParallel(level, (carry) => attempt(carry, () => makeFolder(at, carry)));
  const rest = carries.filter(({ source }) => source !== undefined && source.kind !== 'folder');
  await inParallel(rest, async (carry) => {
    await attempt(carry, () => carryOver(at, carry));
    onDone();
  });
  // Last, for a folder may be one that nobody writes to.
  for (const level of byDepth(folders).toReversed())
    await inParallel(level, (carry) => attempt(carry, () => setFolderMode(at, carry)));
  return failures;
}

/** Notes of changes that came while a step was under way. */
class Changed extends Error {}

async function remove(at: Exchange, carry: Carry): Promise<void> {
  const { path, target, source } = carry;
  if (target === undefined) return;
  const to = sideOf(at, carry);
  if (printOf(await to.find(path)) !== printOf(target)) throw new Changed();
  await to.remove(path, target.kind);
  carry.target = undefined;
  if (source === undefined) at.base.delete(path);
}

async function makeFolder(at: Exchange, carry: Carry): Promise<void> {
  if (carry.target?.kind === 'folder') return;
  await sideOf(at, carry).makeFolder(carry.path);
}

async function setFolderMode(at: Exchange, carry: Carry): Promise<void> {
  const { path, source } = carry;
  if (source?.kind !== 'folder') return;
  await sideOf(at, carry).setMode(path, source.mode);
  settle(at, path, source, source);
}

async function carryOver(at: Exchange, carry: Carry): Promise<void> {
  const { path, how, source, target } = carry;
  const to = sideOf(at, carry);
  if (source?.kind === 'link') {
    if (target !== undefined && target.kind === 'link') await to.remove(path, target.kind);
    await to.makeLink(path, source.target);
  } else if (source?.kind === 'file') {
    const put = (name: string): Promise<void> =>
      how === 'push'
        ? at.files.put(at.here.absolute(path), at.there.absolute(name), PART_MODE)
        : at.files.get(at.there.absolute(path), at.here.absolute(name));
    await to.guard(path);
    if (at.isInPlace) {
      await put(path);
      await to.finish(path, source);
    } else await putWhole(to, { ...carry, source }, put);
    const from = how === 'push' ? at.here : at.there;
    if (printOf(await from.find(path)) !== printOf(source)) throw new Changed();
  }
  settle(at, path, source, source);
}

/** Nobody reads before it is whole. */
const PART_MODE = 0o600;

async function putWhole(
  to: Side,
  { path, source, target }: Carry & { source: Entry & { kind: 'file' } },
  put: (name: string) => Promise<void>,
): Promise<void> {
  const part = posix.join(posix.dirname(path), PART_PREFIX + randomUUID());
  try {
    await put(part);
    await to.finish(part, source);
    if (printOf(await to.find(path)) !== printOf(target)) throw new Changed();
    await to.move(part, path);
  } catch (error) {
    // Perhaps it was never made.
    await to.remove(part, 'file').catch(() => undefined);
    throw error;
  }
}

function sideOf({ here, there }: Exchange, { how }: Carry): Side {
  return how === 'push' ? there : here;
}

function settle({ base }: Exchange, path: string, local: Entry | undefined, remote: Entry | undefined): void {
  if (local === undefined || remote === undefined) base.delete(path);
  else base.set(path, { local: printOf(local), remote: printOf(inSeconds(remote)) });
}

/** `notes.txt` becomes `notes.remote-20261121-081500.txt`. */
function keptName(path: string): string {
  const { dir, name, ext } = posix.parse(path);
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z$/g, '')
    .replace('T', '-');
  return posix.join(dir, `${name}.remote-${stamp}${ext}`);
}

function byDepth(carries: readonly Carry[]): Carry[][] {
  const levels: Carry[][] = [];
  for (const carry of carries) (levels[carry.path.split('/').length] ??= []).push(carry);
  return levels.filter((level) => level !== undefined);
}

async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const work = async (): Promise<void> => {
    for (const item of left) await task(item);
  };
  await Promise.all(Array.from({ length: STEPS_AT_ONCE }, work));
}
