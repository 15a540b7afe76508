import type { Clock } from './clock.ts';
import { copyAndSum, copyContent, sumOf } from './content.ts';
import { inSeconds, parentOf, printOf, type Entry, type Tree } from './entry.ts';
import { diskFull, toFailure, type Failure } from './failure.ts';
import { inParallel } from './in-parallel.ts';
import type { LocalSide } from './local-side.ts';
import type { Memory } from './memory.ts';
import { freeName, keepBeside, partName } from './names.ts';
import type { Step } from './plan.ts';
import type { RemoteSide } from './remote-side.ts';
import { ChangedMeanwhile, type Side } from './side.ts';
import { isUnder } from './tree.ts';

export interface Exchange {
  here: LocalSide;
  there: RemoteSide;
  /** Of the remote host. */
  clock: Clock;
  /** As both sides were when the steps were planned. */
  local: Tree;
  remote: Tree;
  /** Written as steps succeed. */
  memory: Memory;
  isTwoWay: boolean;
  /** A container holds the file itself, not its name: another file of that name would not be seen. */
  isInPlace: boolean;
  /** Whose parts are whose: a name that this place has for itself. */
  partId: string;
  signal: AbortSignal;
}

export interface Outcome {
  failures: Failure[];
  changed: string[];
}

/** One step with its direction resolved. */
interface Carry {
  path: string;
  how: 'push' | 'pull';
  source: Entry | undefined;
  target: Entry | undefined;
}

/**
 * Does what was planned, as far as it can be done. A step is remembered after it is done.
 * @returns what failed, and what was changed meanwhile, which is left for the next plan
 */
export async function exchange(at: Exchange, planned: readonly Step[], onDone: () => void): Promise<Outcome> {
  const failures: Failure[] = [];
  const changed: string[] = [];
  const attempt = async (carry: Carry, task: () => Promise<void>): Promise<boolean> => {
    try {
      at.signal.throwIfAborted();
      await task();
      return true;
    } catch (error) {
      const failure = await toFailure(error, carry, at);
      if (failure) failures.push(failure);
      else changed.push(carry.path);
      return false;
    }
  };
  const steps = await compareAll(at, planned, attempt);
  for (const { path, how } of steps)
    if (how === 'adopt' || how === 'forget')
      settle(at, path, { local: at.local.get(path), remote: at.remote.get(path) });
  const kept = new Set<string>();
  for (const { path, how } of steps) {
    if (how !== 'keep') continue;
    const carry = toCarry(at, path, 'push');
    if (await attempt(carry, () => keepBeside(at, path))) kept.add(path);
  }
  const carries = steps.flatMap(({ path, how }): Carry[] => {
    // What was in a folder that is kept goes with it, and comes here by its new name.
    if (how === 'pull') return isUnder(kept, parentOf(path)) ? [] : [toCarry(at, path, how)];
    if (how === 'keep' && kept.has(path) && !at.isInPlace) return [{ ...toCarry(at, path, 'push'), target: undefined }];
    return how === 'push' || kept.has(path) ? [toCarry(at, path, 'push')] : [];
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
  return { failures, changed };
}

function toCarry({ local, remote }: Exchange, path: string, how: 'push' | 'pull'): Carry {
  const [here, there] = [local.get(path), remote.get(path)];
  return how === 'push' ? { path, how, source: here, target: there } : { path, how, source: there, target: here };
}

/** @returns the steps with what a comparison comes to in its place */
async function compareAll(
  at: Exchange,
  steps: readonly Step[],
  attempt: (carry: Carry, task: () => Promise<void>) => Promise<boolean>,
): Promise<Step[]> {
  const all = [...steps];
  await inParallel([...all.entries()], async ([index, { path, how }]) => {
    const [local, remote] = [at.local.get(path), at.remote.get(path)];
    const since = at.clock.earliest();
    // What is adopted unread is taken for the same by its looks, which of the newest ones say too little.
    if (how !== 'compare' && !(how === 'adopt' && !isTold(remote, since))) return;
    const otherwise = at.isTwoWay ? 'keep' : 'push';
    await attempt(toCarry(at, path, 'pull'), async () => {
      // Nothing, when it fails.
      all[index] = { path, how: 'compare' };
      await using here = await at.here.open(path, 'read');
      await using there = await at.there.open(path, 'read');
      const [sum, otherSum] = await Promise.all([sumOf(here, at.signal), sumOf(there, at.signal)]);
      if (sum === otherSum) settle(at, path, { local, remote, sum, since });
      else all[index] = { path, how: otherwise };
    });
  });
  return all;
}

async function remove(at: Exchange, carry: Carry): Promise<void> {
  const { path, target, source } = carry;
  if (target === undefined) return;
  const to = sideOf(at, carry);
  if (printOf(await to.find(path)) !== printOf(target)) throw new ChangedMeanwhile();
  if (target.kind === 'folder') await to.remove(path, target.kind);
  else await takeAway(at, to, path, target);
  carry.target = undefined;
  if (source === undefined) at.memory.delete(path);
}

/** Looked at once more when nobody can put another in its place; what is another by then is put back. */
async function takeAway({ here, there, partId }: Exchange, to: Side, path: string, target: Entry): Promise<void> {
  const part = partName(path, partId);
  await to.replace(path, part);
  const taken = await to.find(part);
  if (!isUnmoved(taken, target)) {
    await to.move(part, path).catch(async () => to.move(part, await freeName([here, there], path)));
    throw new ChangedMeanwhile();
  }
  await to.remove(part, target.kind);
}

/** A move changes a file's ctime, and only that. */
function isUnmoved(now: Entry | undefined, before: Entry): boolean {
  const bare = (entry: Entry | undefined): string => printOf(entry?.kind === 'file' ? { ...entry, ctimeMs: 0 } : entry);
  return bare(now) === bare(before);
}

/** Until all is in it, its owner can write to it. */
const FOLDER_MODE = 0o700;

async function makeFolder(at: Exchange, carry: Carry): Promise<void> {
  const { path, source, target } = carry;
  if (source?.kind !== 'folder') return;
  const to = sideOf(at, carry);
  if (target?.kind === 'folder') await to.setMode(path, source.mode | FOLDER_MODE);
  else await orChanged(to, path, to.makeFolder(path));
}

/** What is made by somebody else meanwhile is no failure. */
async function orChanged(to: Side, path: string, making: Promise<void>): Promise<void> {
  await making.catch(async (error: unknown) => {
    throw (await to.find(path)) === undefined ? error : new ChangedMeanwhile();
  });
}

async function setFolderMode(at: Exchange, carry: Carry): Promise<void> {
  const { path, source } = carry;
  if (source?.kind !== 'folder') return;
  await sideOf(at, carry).setMode(path, source.mode);
  settle(at, path, { local: source, remote: source });
}

async function carryOver(at: Exchange, carry: Carry): Promise<void> {
  const { path, how, source, target } = carry;
  const to = sideOf(at, carry);
  if (source?.kind === 'link') {
    if (target?.kind === 'link') await takeAway(at, to, path, target);
    await orChanged(to, path, to.makeLink(path, source.target));
    settle(at, path, { local: source, remote: source });
  } else if (source?.kind === 'file') {
    const since = at.clock.earliest();
    // As it is now: what is written all the time has changed since the look.
    const now = await (how === 'push' ? at.here : at.there).find(path);
    if (now?.kind !== 'file') throw new ChangedMeanwhile();
    const { made, sum } = await carryFile(at, { ...carry, source: now });
    const [local, remote] = how === 'push' ? [now, made] : [made, now];
    settle(at, path, { local, remote, sum, since });
  }
}

interface Carried {
  made: Entry;
  sum: string;
}

type FileCarry = Carry & { source: Entry & { kind: 'file' } };

/** Nobody reads before it is whole, and what is there stays until then. @returns what there is now */
async function carryFile(at: Exchange, carry: FileCarry): Promise<Carried> {
  const { path, how, source, target } = carry;
  const [from, to] = how === 'push' ? [at.here, at.there] : [at.there, at.here];
  const part = partName(path, at.partId);
  try {
    const sum = await copy(at, { from, path, to, as: part, how: 'make' }, source);
    await to.finish(part, source);
    const made = await to.find(part);
    const [sourceNow, targetNow] = await Promise.all([from.find(path), to.find(path)]);
    const isWhole = printOf(sourceNow) === printOf(source) ? isOfSize(made, source.size) : hasGrown(source, sourceNow);
    if (made === undefined || !isWhole || printOf(targetNow) !== printOf(target)) throw new ChangedMeanwhile();
    if (at.isInPlace && how === 'push' && target !== undefined) return await rewrite(at, carry, part);
    await (target === undefined ? to.move(part, path) : to.replace(part, path));
    if (how === 'push') return { made, sum };
    const moved = await to.find(path);
    if (moved === undefined || !isUnmoved(moved, made)) throw new ChangedMeanwhile();
    return { made: moved, sum };
  } catch (error) {
    // Asked before the part is gone, which makes room.
    const failure = (await to.isFull(error, source.size)) ? diskFull(to, to.absolute(path), error) : error;
    // Perhaps it was never made.
    await to.remove(part, 'file').catch(() => undefined);
    throw failure;
  }
}

function isOfSize(entry: Entry | undefined, size: number): boolean {
  return entry?.kind === 'file' && entry.size === size;
}

/** What only grows, as logs do, is carried as far as it is: else it would never come. The rest comes with the next look, for it is remembered as it was. */
function hasGrown(before: Entry & { kind: 'file' }, now: Entry | undefined): boolean {
  return now?.kind === 'file' && now.size > before.size;
}

/** The same file with another content. That there is room for it, and a way, was shown by the part, which makes way now. */
async function rewrite(at: Exchange, { path, source }: FileCarry, part: string): Promise<Carried> {
  const { there, memory } = at;
  await there.remove(part, 'file');
  try {
    const sum = await copy(at, { from: at.here, path, to: there, as: path, how: 'rewrite' }, source);
    await there.finish(path, source);
    return { made: (await there.find(path)) ?? source, sum };
  } catch (error) {
    // What is half written is no change of a container's.
    const known = memory.known.get(path);
    const torn = await there.find(path);
    if (known) memory.set(path, { ...known, remote: printOf(torn), sum: '' });
    throw error;
  }
}

interface Copying {
  from: Side;
  path: string;
  to: Side;
  as: string;
  how: 'make' | 'rewrite';
}

/** @returns its sum, when one will be asked for */
async function copy({ signal, clock }: Exchange, { from, path, to, as, how }: Copying, source: Entry): Promise<string> {
  await using read = await from.open(path, 'read');
  await using written = await to.open(as, how);
  if (!isTold(inSeconds(source), clock.earliest())) return await copyAndSum(read, written, signal);
  await copyContent(read, written, signal);
  return '';
}

function sideOf({ here, there }: Exchange, { how }: Carry): Side {
  return how === 'push' ? there : here;
}

interface Settled {
  local: Entry | undefined;
  remote: Entry | undefined;
  sum?: string;
  /** A time of the remote's when its content was still to be read or written. */
  since?: number;
}

function settle({ memory }: Exchange, path: string, { local, remote, sum = '', since = -Infinity }: Settled): void {
  if (local === undefined || remote === undefined) return memory.delete(path);
  const there = inSeconds(remote);
  memory.set(path, { local: printOf(local), remote: printOf(there), sum: isTold(there, since) ? '' : sum });
}

/** Whether all that is written to it from then on changes its print. What is written within the second of its time, and no longer, doesn't. */
export function isTold(remote: Entry | undefined, since: number): boolean {
  return remote?.kind !== 'file' || remote.mtimeMs + 1000 <= since;
}

function byDepth(carries: readonly Carry[]): Carry[][] {
  const levels: Carry[][] = [];
  for (const carry of carries) (levels[carry.path.split('/').length] ??= []).push(carry);
  return levels.filter((level) => level !== undefined);
}
