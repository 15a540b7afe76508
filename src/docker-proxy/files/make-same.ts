import { posix } from 'node:path';
import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import { refuseAccidents } from './accidents.ts';
import type { Clock } from './clock.ts';
import { parentOf, type Entry } from './entry.ts';
import { exchange } from './exchange.ts';
import type { Failure } from './failure.ts';
import { IGNORE_FILE, PART_PREFIX, readFilter, type Filter } from './filter.ts';
import type { LocalSide } from './local-side.ts';
import type { Memory } from './memory.ts';
import { planSteps, type Step } from './plan.ts';
import type { RemoteSide } from './remote-side.ts';
import type { Side } from './side.ts';
import type { FolderPlace } from './synced-folder.ts';
import { isUnder, scan, type Scan } from './tree.ts';
import { verifyRecent } from './verify.ts';

export interface Progress {
  done: number;
  total: number;
}

export interface MakeSame {
  place: FolderPlace;
  here: LocalSide;
  there: RemoteSide;
  /** Of the remote host. */
  clock: Clock;
  memory: Memory;
  isTwoWay: boolean;
  partId: string;
  /** Whether what a proxy before left half done is gone already. */
  isCleaned: boolean;
  /** Nobody uses the copy any more: what isn't there yet needn't come. */
  isLeaving: boolean;
  progress: Progress;
  signal: AbortSignal;
  log: Logger;
}

/** Looks and exchanges until a look shows nothing left to do; what still changes then is for the next time. */
const ROUNDS_MAX = 4;
const TELL_EACH_MS = 5000;

/**
 * Makes a folder and its copy the same.
 * @returns what is still different and need keep nobody from starting: what a container keeps to itself, or what can't be deleted
 * @throws GatewayError when something can't be carried, or a side looks like an accident; SideError when one is gone or closed. Of a copy that
 * nobody uses any more: whenever something of it is not here
 */
export async function makeSame(at: MakeSame): Promise<string | undefined> {
  const { place, here, there, memory, isTwoWay, progress } = at;
  const { root, only } = place;
  const isInPlace = only !== undefined;
  /** What was carried or compared since the call. */
  const fresh = new Set<string>();
  /** By path; they don't get better by trying again at once. */
  const failures = new Map<string, Failure>();
  let changed: string[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const filter = await readFilter(root, only);
    const [local, remote] = await Promise.all([scan(here, filter), scan(there, filter)]);
    if (round === 0 && !at.isCleaned) await removeParts(at.partId, [here, local], [there, remote]);
    refuseAccidents({ name: here.absolute(only ?? ''), only, known: memory.known, local, remote, isTwoWay });
    const trees = { local: local.tree, remote: remote.tree };
    if (at.isLeaving && isTwoWay) for (const path of remote.closed) failures.set(path, toClosed(there, path));
    if (isTwoWay) await verifyRecent({ ...at, ...trees }, fresh);
    const steps = plan(at, { local, remote, filter }).filter(
      ({ path, how }) => !failures.has(path) && !(at.isLeaving && how === 'push'),
    );
    const open = steps.filter((step) => {
      const blocked = toBlocked(step, at, { local, remote });
      if (blocked) failures.set(step.path, blocked);
      return blocked === undefined;
    });
    changed = [];
    if (open.length === 0) break;
    Object.assign(progress, { done: 0, total: open.length });
    const telling = setInterval(() => at.log.info({ folder: root, ...progress }, 'files are carried'), TELL_EACH_MS);
    const outcome = await exchange({ ...at, ...trees, isInPlace }, open, () => (progress.done += 1)).finally(() =>
      clearInterval(telling),
    );
    for (const { path } of open) fresh.add(path);
    for (const failure of outcome.failures) failures.set(failure.path, failure);
    ({ changed } = outcome);
    if (outcome.failures.some(({ isLack }) => isLack)) break;
  }
  progress.done = progress.total;
  const all = [...failures.values()];
  const lacks = all
    .filter(({ isLack, isUnbrought }) => isLack || (at.isLeaving && isUnbrought))
    .map(({ error }) => error);
  const lack = lacks.find(({ code }) => code === 'DISK_FULL') ?? lacks[0];
  if (lack) throw lack;
  const [busy] = changed;
  const unrest = busy && `${here.absolute(busy)} changes while it is carried`;
  if (at.isLeaving && unrest) throw new GatewayError('FILES_FAILED', unrest);
  return all[0]?.error.message ?? unrest;
}

function toClosed(side: Side, path: string): Failure {
  const error = new GatewayError(
    'FILES_FAILED',
    `${side.absolute(path)} of ${side.host} can't be read: permission denied`,
  );
  return { path, isLack: false, isUnbrought: true, error };
}

interface Planning {
  local: Scan;
  remote: Scan;
  filter: Filter;
}

function plan(at: MakeSame, { local, remote, filter }: Planning): Step[] {
  const { here, memory, place, isTwoWay } = at;
  const [closed] = local.closed;
  if (closed !== undefined)
    throw new GatewayError(
      'FILES_FAILED',
      `${here.absolute(closed)} can't be read: permission denied; make it readable, or leave it out by ${IGNORE_FILE}`,
    );
  // What is left out from now on is no deletion.
  for (const [path, { local: print }] of memory.known)
    if (filter(path, entryLike(print)) !== 'kept') memory.delete(path);
  // A container that has it mounted can't delete it.
  const { only } = place;
  if (only !== undefined && !remote.tree.has(only)) memory.delete(only);
  const steps = planSteps({ base: memory.known, local: local.tree, remote: remote.tree, isTwoWay }).map((step) =>
    only !== undefined && isPlace(remote.tree.get(only)) && !memory.known.has(only) ? toPush(step) : step,
  );
  const shut = new Set(remote.closed);
  return shut.size === 0 ? steps : steps.filter(({ path }) => !isUnder(shut, parentOf(path)));
}

/** What is made for a single file before anything is carried, for the daemon wants one there. It holds nothing that would have to be kept. */
function isPlace(entry: Entry | undefined): boolean {
  return entry?.kind === 'file' && entry.size === 0;
}

function toPush(step: Step): Step {
  return step.how === 'keep' ? { ...step, how: 'push' } : step;
}

/** Why a step can't be done: what has its name on the other side is never carried, so it isn't written over either. */
function toBlocked(
  { path, how }: Step,
  { here, there }: MakeSame,
  scans: Record<'local' | 'remote', Scan>,
): Failure | undefined {
  if (how !== 'push' && how !== 'pull') return undefined;
  const [from, to, side] = how === 'push' ? [scans.local, scans.remote, there] : [scans.remote, scans.local, here];
  if (!from.tree.has(path) || to.unfit.size === 0 || !isUnder(to.unfit, path)) return undefined;
  const message = `${side.absolute(path)} of ${side.host} is a socket, a device, a pipe or a link that leads out, or in one; what the other side has there is not carried`;
  const error = new GatewayError('FILES_FAILED', message);
  return { path, isLack: how === 'push', isUnbrought: how === 'pull', error };
}

/** What a proxy that was killed, or that lost its connection, left half done. */
async function removeParts(partId: string, ...sides: readonly (readonly [Side, Scan])[]): Promise<void> {
  for (const [side, { parts }] of sides)
    for (const path of parts)
      if (posix.basename(path).startsWith(`${PART_PREFIX}${partId}-`))
        // It disturbs nobody, and the next proxy tries again.
        await side.remove(path, 'file').catch(() => undefined);
}

/** As much of an entry as a filter asks for. */
function entryLike(print: string): Entry {
  const [kind = ''] = print.split(' ');
  if (kind === 'folder') return { kind, mode: 0 };
  if (kind === 'link') return { kind, target: print.slice('link '.length) };
  return { kind: 'file', mode: 0, size: 0, mtimeMs: 0 };
}
