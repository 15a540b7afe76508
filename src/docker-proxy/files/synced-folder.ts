import { setTimeout as sleep } from 'node:timers/promises';
import { watch, type FSWatcher } from 'chokidar';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { exchange, type Failure } from './exchange.ts';
import { readFilter } from './filter.ts';
import { LocalSide } from './local-side.ts';
import { planSteps, type Step } from './plan.ts';
import type { RemoteFiles } from './remote-files.ts';
import { RemoteSide } from './remote-side.ts';
import { makeRemoteFolder } from './remote-root.ts';
import { SideError } from './side.ts';
import { scan, type Scan } from './tree.ts';

export interface SyncedFolderDeps {
  openFiles: () => Promise<RemoteFiles>;
  log: Logger;
}

export interface FolderPlace {
  /** Of this machine, without symlinks. */
  root: string;
  /** The one file of it that is wanted. */
  only: string | undefined;
  /** Of the remote host, absolute. */
  remoteRoot: string;
}

export interface FolderStatus {
  local: string;
  remote: string;
  direction: 'both ways' | 'to the remote';
  state: 'syncing' | 'in step' | 'paused' | 'failing';
  /** Of the first sync and of each after it. */
  done: number;
  total: number;
  failure?: string;
}

/** Looks and exchanges until a look shows nothing left to do; what still changes then is for the next time. */
const ROUNDS_MAX = 4;
/** From so many entries on, an empty folder is taken for an accident. */
const EMPTIED_MIN = 2;
const SETTLE_MS = 50;
/** The remote can't say what changes there; a look at it takes a tenth of the time at most. */
const LOOK_MIN_MS = 1000;
const LOOK_SHARE = 10;

/** A folder (or one file) of this machine and its copy on the remote host, kept in step from the first `sync` until `close`. */
export class SyncedFolder {
  readonly #deps: SyncedFolderDeps;
  readonly #place: FolderPlace;
  readonly #here: LocalSide;
  readonly #base = new Map<string, { local: string; remote: string }>();
  readonly #stopping = new AbortController();
  #isTwoWay = false;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #following: { watcher: FSWatcher; looking: Promise<void> } | undefined;
  #wake: (() => void) | undefined;
  #progress = { done: 0, total: 0 };
  #state: FolderStatus['state'] = 'syncing';
  #failure: string | undefined;

  constructor(deps: SyncedFolderDeps, place: FolderPlace) {
    this.#deps = deps;
    this.#place = place;
    this.#here = new LocalSide(place.root);
  }

  /** Whether what containers write comes here. */
  set isTwoWay(isTwoWay: boolean) {
    this.#isTwoWay = isTwoWay;
  }

  /**
   * Resolves once a look at both sides, begun after the call, showed them to be the same.
   * @throws GatewayError FILES_PAUSED when a side looks like an accident, FILES_FAILED when something can't be carried
   */
  sync(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const cycle = this.#cycle();
      this.#running = cycle.catch(() => undefined);
      return cycle;
    });
    return this.#next;
  }

  /** From now on changes are carried as they come. Idempotent. */
  follow(): void {
    if (this.#following || this.#stopping.signal.aborted) return;
    const { root, only } = this.#place;
    // What it misses, and all of it where the system has no more watches, is found by looking.
    const watcher = watch(only === undefined ? root : this.#here.absolute(only), {
      ignoreInitial: true,
      followSymlinks: false,
      ignorePermissionErrors: true,
    });
    watcher.on('all', () => this.#wake?.());
    watcher.on('error', (error) => this.#deps.log.warn({ err: error, folder: root }, 'a folder can not be watched'));
    this.#following = { watcher, looking: this.#look() };
  }

  status(): FolderStatus {
    const { root, only, remoteRoot } = this.#place;
    return {
      local: only === undefined ? root : this.#here.absolute(only),
      remote: remoteRoot,
      direction: this.#isTwoWay ? 'both ways' : 'to the remote',
      state: this.#state,
      ...this.#progress,
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  /** Resolves once nothing is carried any more. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#following?.watcher.close();
    await this.#following?.looking;
    await this.#next?.catch(() => undefined);
    await this.#running;
  }

  async #look(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedAt = performance.now();
      // What fails is in the status, and told once.
      await this.sync().catch(() => undefined);
      const restMs = Math.max(LOOK_MIN_MS, LOOK_SHARE * (performance.now() - startedAt));
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const rest = new AbortController();
      await Promise.race([woken, sleep(restMs, undefined, { signal: rest.signal }).catch(() => undefined)]);
      rest.abort();
      if (!signal.aborted) await sleep(SETTLE_MS);
    }
  }

  async #cycle(): Promise<void> {
    try {
      const leftover = await this.#makeSame();
      this.#state = 'in step';
      if (leftover !== undefined && this.#failure !== leftover) this.#deps.log.warn(leftover);
      this.#failure = leftover;
    } catch (error) {
      const failure = toFailure(error, this.#place);
      this.#state = failure.code === 'FILES_PAUSED' ? 'paused' : 'failing';
      if (this.#failure !== failure.message) this.#deps.log.warn({ err: error }, failure.message);
      this.#failure = failure.message;
      throw failure;
    }
  }

  /** @returns what is still there although it was deleted on the other side: a folder with something in it that is left out, for one */
  async #makeSame(): Promise<string | undefined> {
    const files = await this.#deps.openFiles();
    const { only, root, remoteRoot } = this.#place;
    const there = new RemoteSide(files, remoteRoot);
    if (this.#base.size === 0) await makeRemoteFolder(files, remoteRoot);
    let failures: Failure[] = [];
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const isKept = await readFilter(root, only);
      const [local, remote] = await Promise.all([scan(this.#here, isKept), scan(there, isKept)]);
      this.#refuseAccidents(local, remote);
      const steps = this.#plan(local, remote, isKept);
      if (steps.every(({ how }) => how === 'adopt' || how === 'forget')) failures = [];
      if (steps.length === 0) break;
      this.#progress = { done: 0, total: steps.length };
      const at = {
        here: this.#here,
        there,
        files,
        local: local.tree,
        remote: remote.tree,
        base: this.#base,
        isInPlace: only !== undefined,
      };
      failures = await exchange(at, steps, () => (this.#progress.done += 1));
      // A full disk or a file without rights doesn't get better by trying again at once.
      if (failures.length > 0) break;
    }
    this.#progress.done = this.#progress.total;
    const inWords = ({ path, message }: Failure): string => `${this.#here.absolute(path)}: ${message}`;
    const lack = failures.find(({ isLack }) => isLack);
    if (lack) throw new GatewayError('FILES_FAILED', inWords(lack));
    return failures[0] && `not deleted on both sides: ${inWords(failures[0])}`;
  }

  #plan(local: Scan, remote: Scan, isKept: Awaited<ReturnType<typeof readFilter>>): Step[] {
    const [closed] = local.closed;
    if (closed !== undefined)
      throw new GatewayError('FILES_FAILED', `${this.#here.absolute(closed)} can't be read: permission denied`);
    // What is left out from now on is no deletion.
    for (const [path, { local: print }] of this.#base) if (!isKept(path, entryLike(print))) this.#base.delete(path);
    // A container that has it mounted can't delete it.
    const { only } = this.#place;
    if (only !== undefined && !remote.tree.has(only)) this.#base.delete(only);
    const steps = planSteps({ base: this.#base, local: local.tree, remote: remote.tree, isTwoWay: this.#isTwoWay });
    return steps.filter(({ path }) => !remote.closed.some((folder) => path.startsWith(`${folder}/`)));
  }

  /** @throws GatewayError FILES_PAUSED */
  #refuseAccidents(local: Scan, remote: Scan): void {
    const { only } = this.#place;
    const pause = (what: string): never => {
      throw new GatewayError('FILES_PAUSED', what);
    };
    const name = this.#here.absolute(only ?? '');
    if (only !== undefined) {
      if (!local.tree.has(only)) pause(`${name} is gone; its copy stays until the file is back`);
      return;
    }
    if (this.#base.size < EMPTIED_MIN) return;
    const wayOut = 'put any file there, and the rest is deleted';
    if (local.tree.size === 0) pause(`${name} was emptied; the remote's copy stays. If that was meant, ${wayOut}`);
    if (remote.tree.size === 0 && this.#isTwoWay)
      pause(`the copy of ${name} on the remote was emptied; the folder here stays. If that was meant, ${wayOut}`);
  }
}

/** As much of an entry as a filter asks for. */
function entryLike(print: string): Parameters<Awaited<ReturnType<typeof readFilter>>>[1] {
  const [kind = ''] = print.split(' ');
  if (kind === 'folder') return { kind, mode: 0 };
  if (kind === 'link') return { kind, target: print.slice('link '.length) };
  return { kind: 'file', mode: 0, size: 0, mtimeMs: 0 };
}

function toFailure(error: unknown, { root }: FolderPlace): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof SideError)
    return new GatewayError(
      'FILES_PAUSED',
      `${root} or its copy on the remote is gone or can't be read; nothing is deleted until it is back`,
      { cause: error },
    );
  const message = error instanceof Error ? error.message : toGatewayError(error).message;
  return new GatewayError('FILES_FAILED', `${root} could not be kept in step: ${message}`, { cause: error });
}
