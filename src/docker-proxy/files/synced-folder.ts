import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { watch, type FSWatcher } from 'chokidar';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { askTime, NO_CLOCK, type Clock } from './clock.ts';
import { LocalSide } from './local-side.ts';
import { makeSame, type Progress } from './make-same.ts';
import { Memory, memoryFile } from './memory.ts';
import { isMissing, type RemoteFiles } from './remote-files.ts';
import { findCopyName, makeRemoteFolder, nameCopy, removeCopy, toPlaceFailure } from './remote-root.ts';
import { RemoteSide } from './remote-side.ts';
import { SideError } from './side.ts';

export interface SyncedFolderDeps {
  openFiles: () => Promise<RemoteFiles>;
  /** Where what is in step is remembered. */
  memoryDir: string;
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

const PART_ID_LENGTH = 8;
const SETTLE_MS = 50;
/** The remote can't say what changes there; a look at it takes a tenth of the time at most. */
const LOOK_MIN_MS = 1000;
const LOOK_SHARE = 10;

/** A folder (or one file) of this machine and its copy on the remote host, kept in step from the first `sync` until `close`. */
export class SyncedFolder {
  readonly #deps: SyncedFolderDeps;
  readonly #place: FolderPlace;
  readonly #here: LocalSide;
  readonly #memory: Promise<Memory>;
  readonly #partId: string;
  readonly #stopping = new AbortController();
  readonly #progress: Progress = { done: 0, total: 0 };
  #connection: { files: RemoteFiles; there: RemoteSide; clock: Clock } | undefined;
  #isTwoWay = false;
  #isCleaned = false;
  #isLeaving = false;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #following: { watcher: FSWatcher; looking: Promise<void> } | undefined;
  #isStirred = false;
  #wake: (() => void) | undefined;
  #state: FolderStatus['state'] = 'syncing';
  #failure: string | undefined;

  constructor(deps: SyncedFolderDeps, place: FolderPlace) {
    this.#deps = deps;
    this.#place = place;
    this.#here = new LocalSide(place.root);
    this.#partId = createHash('sha256').update(place.remoteRoot).digest('hex').slice(0, PART_ID_LENGTH);
    this.#memory = Memory.open(memoryFile(deps.memoryDir, place.remoteRoot), deps.log);
  }

  /** Whether what containers write comes here. What they wrote before that ends still does, by the next sync. */
  set isTwoWay(isTwoWay: boolean) {
    this.#isTwoWay = isTwoWay;
  }

  /**
   * Resolves once a look at both sides, begun after the call, showed them to be the same.
   * @throws GatewayError FILES_PAUSED when a side looks like an accident, DISK_FULL, FILES_FAILED when something can't be carried
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
    watcher.on('all', () => this.#stir());
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

  /** Resolves once nothing is carried any more; what is under way is broken off, and goes on the next time. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort(new GatewayError('SHUTTING_DOWN', 'the docker proxy is ending'));
    this.#wake?.();
    await this.#following?.watcher.close();
    await this.#following?.looking;
    await this.#next?.catch(() => undefined);
    await this.#running;
  }

  /**
   * Brings what the copy has and removes it, and the memory of it; for when nobody uses it any more. Closes when it succeeds. What has come into its
   * place since stays.
   * @throws what kept it, and then all is as it was
   */
  async retire(): Promise<void> {
    const { remoteRoot } = this.#place;
    const files = await this.#deps.openFiles();
    if (this.#isCleaned || (await this.#isRemembered(files))) {
      this.#isLeaving = true;
      await this.sync().catch(async (error: unknown) => {
        // Nothing can be lost then, whatever that said.
        if (!(await isEmpty(files, remoteRoot))) throw error;
      });
      await this.close();
      await removeCopy(files, remoteRoot);
    }
    await this.close();
    await (await this.#memory).remove();
  }

  #stir(): void {
    this.#isStirred = true;
    this.#wake?.();
  }

  async #look(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedAt = performance.now();
      this.#isStirred = false;
      // What fails is in the status, and told once.
      await this.sync().catch(() => undefined);
      const restMs = Math.max(LOOK_MIN_MS, LOOK_SHARE * (performance.now() - startedAt));
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const rest = new AbortController();
      if (!this.#isStirred)
        await Promise.race([woken, sleep(restMs, undefined, { signal: rest.signal }).catch(() => undefined)]);
      rest.abort();
      if (!signal.aborted) await sleep(SETTLE_MS);
    }
  }

  async #cycle(): Promise<void> {
    const { log } = this.#deps;
    try {
      const leftover = await this.#makeSame();
      this.#state = 'in step';
      if (leftover !== undefined && this.#failure !== leftover) log.warn(leftover);
      this.#failure = leftover;
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      const failure = toFailure(error, this.#place);
      this.#state = failure.code === 'FILES_PAUSED' ? 'paused' : 'failing';
      if (this.#failure !== failure.message) log.warn({ err: error }, failure.message);
      this.#failure = failure.message;
      throw failure;
    }
  }

  /** @returns what is told, but keeps nobody from starting */
  async #makeSame(): Promise<string | undefined> {
    const { log, openFiles } = this.#deps;
    const isWritable = this.#isTwoWay;
    const files = await openFiles();
    const memory = await this.#recall(files);
    try {
      const leftover = await makeSame({
        ...(await this.#connect(files)),
        place: this.#place,
        here: this.#here,
        memory,
        isTwoWay: memory.head?.isTwoWay ?? isWritable,
        partId: this.#partId,
        isCleaned: this.#isCleaned,
        isLeaving: this.#isLeaving,
        progress: this.#progress,
        signal: this.#stopping.signal,
        log,
      });
      this.#isCleaned = true;
      // What was written while that could come here has come; only what comes from now on is put right.
      if (!isWritable && memory.head && leftover === undefined) memory.begin({ ...memory.head, isTwoWay: false });
      return leftover;
    } finally {
      await memory.idle();
    }
  }

  async #connect(files: RemoteFiles): Promise<{ there: RemoteSide; clock: Clock }> {
    if (this.#connection?.files === files) return this.#connection;
    const there = new RemoteSide(files, this.#place.remoteRoot);
    // Whatever keeps a file from being made there is said of the files that are meant.
    const clock = await askTime(there, this.#partId).catch(() => NO_CLOCK);
    const connection = { files, there, clock };
    if (clock !== NO_CLOCK) this.#connection = connection;
    return connection;
  }

  /** What is known of the copy that is there, which is nothing when it is another one than the last time. */
  async #recall(files: RemoteFiles): Promise<Memory> {
    const memory = await this.#memory;
    const { root, only, remoteRoot } = this.#place;
    const isKnown = this.#isCleaned || (await this.#isRemembered(files));
    try {
      if (!isKnown || memory.known.size === 0) await makeRemoteFolder(files, remoteRoot);
      const copyId = (isKnown ? memory.head?.copyId : undefined) ?? (await nameCopy(files, remoteRoot));
      const isTwoWay = this.#isTwoWay || (isKnown && memory.head?.isTwoWay === true);
      memory.begin({ version: 1, root, ...(only === undefined ? {} : { only }), remoteRoot, copyId, isTwoWay });
    } catch (error) {
      throw await toPlaceFailure(files, remoteRoot, error);
    }
    return memory;
  }

  async #isRemembered(files: RemoteFiles): Promise<boolean> {
    const { head } = await this.#memory;
    return head !== undefined && (await findCopyName(files, this.#place.remoteRoot)) === head.copyId;
  }
}

/** Or not there. */
async function isEmpty(files: RemoteFiles, path: string): Promise<boolean> {
  try {
    return (await files.list(path)).every(({ filename }) => filename === '.' || filename === '..');
  } catch (error) {
    return isMissing(error);
  }
}

function toFailure(error: unknown, { root }: FolderPlace): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof SideError)
    return new GatewayError('FILES_PAUSED', `${error.message}; nothing of ${root} is deleted until that is mended`, {
      cause: error,
    });
  const message = error instanceof Error ? error.message : toGatewayError(error).message;
  return new GatewayError('FILES_FAILED', `${root} could not be kept in step: ${message}`, { cause: error });
}
