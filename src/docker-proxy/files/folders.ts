import type { Logger } from 'pino';
import type { Engine, Listed } from '../engine.ts';
import { follow } from '../follow.ts';
import { tooMany } from '../limits.ts';
import type { RemoteHost } from '../remote.ts';
import { readCarried, type Carried } from './carried.ts';
import { listMemories } from './memory.ts';
import { SyncedFolder, type FolderStatus } from './synced-folder.ts';

export interface FoldersDeps {
  /** In step at once. */
  foldersMax: number;
  engine: Engine;
  remote: Pick<RemoteHost, 'openFiles'>;
  owner: string;
  /** Where what is in step is remembered, over restarts. */
  memoryDir: string;
  log: Logger;
}

/** A start under way: its folders are kept in step until then at least. */
export interface HeldFolders {
  release(): Promise<void>;
}

interface Wanted {
  place: NonNullable<Carried[number]['folder']>;
  isTwoWay: boolean;
  isUp: boolean;
}

const FULL_ID = /^[0-9a-f]{64}$/;
const UP = ['running', 'restarting', 'paused'];

/** The folders of an owner's containers: in step while one of them runs, on the remote host while one of them exists. One folder serves all that name it. */
export class Folders {
  readonly #deps: FoldersDeps;
  /** By their place on the remote host. */
  readonly #open = new Map<string, SyncedFolder>();
  /** Those of the open ones that nobody needs any more, until they are closed. */
  readonly #ending = new Map<string, Promise<void>>();
  /** Of every container that was seen, also when it is gone by now. */
  readonly #carried = new Map<string, Carried>();
  /** Copies that nobody uses, and that could not be brought home: the next proxy tries again. */
  readonly #given = new Set<string>();
  readonly #holds = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #reviewing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(deps: FoldersDeps) {
    this.#deps = deps;
    const review = (): Promise<void> => this.#review();
    this.#watching = follow(deps, { onAll: review, onOne: review }, this.#stopping.signal);
  }

  /**
   * Resolves once the folders of a container that is about to start are the same on both sides.
   * @throws GatewayError when they can't be
   */
  async hold(ref: string): Promise<HeldFolders | undefined> {
    const { engine, owner } = this.#deps;
    const container = await engine.findContainer(ref);
    const carried = readCarried(container?.Config.Labels, owner);
    if (container === undefined || carried.every(({ folder }) => folder === undefined)) return undefined;
    const { Id: id } = container;
    this.#refuseMore(carried);
    this.#carried.set(id, carried);
    this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1);
    const release = async (): Promise<void> => {
      this.#holds.set(id, (this.#holds.get(id) ?? 1) - 1);
      if (this.#holds.get(id) === 0) this.#holds.delete(id);
      await this.#review();
    };
    try {
      // What is open already learns here that one more container writes to it.
      await this.#review();
      // What just ends is opened again; only that is waited for.
      if (await this.#untilEnded(carried)) await this.#review();
      await Promise.all(this.#foldersOf(id).map((folder) => folder.sync()));
    } catch (error) {
      await release();
      throw error;
    }
    return { release };
  }

  /** Those count that are in step or are about to be. @throws GatewayError TOO_MANY_REQUESTS */
  #refuseMore(carried: Carried): void {
    const { foldersMax } = this.#deps;
    const held = [...this.#holds.keys()].flatMap((id) => this.#carried.get(id) ?? []);
    const places = [...held, ...carried].flatMap(({ folder }) => folder?.remoteRoot ?? []);
    if (new Set([...this.#open.keys(), ...places]).size > foldersMax) throw tooMany('folders', foldersMax);
  }

  /** Which container is meant, for `settle`, after it is gone too. */
  async identify(ref: string): Promise<string | undefined> {
    // `docker run` waits before it starts: what is carried for it need not be known yet.
    if (FULL_ID.test(ref)) return ref;
    if (this.#carried.size === 0) return undefined;
    return (await this.#deps.engine.findContainer(ref))?.Id;
  }

  /** Resolves once what a container wrote is here, or can't be. */
  async settle(containerId: string): Promise<void> {
    const carried = this.#carried.get(containerId) ?? [];
    await Promise.all(this.#foldersOf(containerId).map((folder) => folder.sync().catch(() => undefined)));
    await this.#reviewing;
    await this.#untilEnded(carried);
  }

  /** Resolves once all that changed before is on both sides. @throws GatewayError of the first that can't be */
  async flush(): Promise<void> {
    await Promise.all([...this.#open.values()].map((folder) => folder.sync()));
  }

  status(): FolderStatus[] {
    return [...this.#open.values()].map((folder) => folder.status());
  }

  /** Idempotent. Copies stay on the remote host for containers that run on; the next proxy takes them up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    // What is brought home may be much: it is broken off, and the next proxy goes on.
    await this.#closeAll();
    await this.#watching;
    await Promise.all(this.#ending.values());
    await this.#next;
    await this.#reviewing;
    await this.#closeAll();
    this.#open.clear();
  }

  async #closeAll(): Promise<void> {
    await Promise.all([...this.#open.values()].map((folder) => folder.close()));
  }

  /** @returns whether one of these folders was ending */
  async #untilEnded(carried: Carried): Promise<boolean> {
    const endings = carried.flatMap(({ folder }) => (folder && this.#ending.get(folder.remoteRoot)) ?? []);
    await Promise.all(endings);
    return endings.length > 0;
  }

  #foldersOf(containerId: string): SyncedFolder[] {
    const carried = this.#carried.get(containerId) ?? [];
    return carried.flatMap(({ folder }) => {
      const open = folder && this.#open.get(folder.remoteRoot);
      return open ? [open] : [];
    });
  }

  /** Makes the open folders those that the containers, as they are after the call, want. Never rejects. */
  #review(): Promise<void> {
    this.#next ??= this.#reviewing.then(() => {
      this.#next = undefined;
      this.#reviewing = this.#reviewNow().catch((error: unknown) => {
        this.#deps.log.debug({ err: error }, 'the containers could not be looked at; the next look comes');
      });
      return this.#reviewing;
    });
    return this.#next;
  }

  async #reviewNow(): Promise<void> {
    const { engine, owner } = this.#deps;
    if (this.#stopping.signal.aborted) return;
    const containers = await engine.listContainers(owner);
    const wanted = this.#wantedBy(containers);
    for (const { place, isTwoWay, isUp } of wanted.values()) {
      if (!isUp || this.#ending.has(place.remoteRoot)) continue;
      const folder = this.#openFolder(place);
      folder.isTwoWay = isTwoWay;
      folder.follow();
    }
    await this.#takeUpUnused(wanted);
    for (const [remoteRoot, folder] of this.#open) {
      if (wanted.get(remoteRoot)?.isUp === true || this.#ending.has(remoteRoot)) continue;
      // Not waited for: what it brings home may be much, and is nothing to other containers.
      const ended = this.#end(remoteRoot, folder, wanted.has(remoteRoot)).then(() => {
        this.#ending.delete(remoteRoot);
        void this.#review();
      });
      this.#ending.set(remoteRoot, ended);
    }
    const ids = new Set(containers.map(({ Id }) => Id));
    for (const [id, carried] of this.#carried) {
      const isEnding = carried.some(({ folder }) => folder && this.#ending.has(folder.remoteRoot));
      if (!ids.has(id) && !this.#holds.has(id) && !isEnding) this.#carried.delete(id);
    }
  }

  #openFolder(place: { root: string; only?: string | undefined; remoteRoot: string }): SyncedFolder {
    const { remote, memoryDir, log } = this.#deps;
    const { root, only, remoteRoot } = place;
    const folder =
      this.#open.get(remoteRoot) ??
      new SyncedFolder({ openFiles: () => remote.openFiles(), memoryDir, log }, { root, only, remoteRoot });
    this.#open.set(remoteRoot, folder);
    return folder;
  }

  /** Copies that no container names any more, and that aren't kept in step: what was written there last may still be to come. */
  async #takeUpUnused(wanted: ReadonlyMap<string, Wanted>): Promise<void> {
    for (const head of await listMemories(this.#deps.memoryDir)) {
      const { remoteRoot, isTwoWay } = head;
      if (wanted.has(remoteRoot) || this.#open.has(remoteRoot) || this.#given.has(remoteRoot)) continue;
      this.#openFolder(head).isTwoWay = isTwoWay;
    }
  }

  #wantedBy(containers: Listed): Map<string, Wanted> {
    const wanted = new Map<string, Wanted>();
    for (const { Id, State = '', Labels } of containers) {
      const carried = readCarried(Labels, this.#deps.owner);
      if (carried.length > 0) this.#carried.set(Id, carried);
      const isUp = UP.includes(State) || this.#holds.has(Id);
      for (const { folder } of carried) {
        if (folder === undefined) continue;
        const before = wanted.get(folder.remoteRoot);
        wanted.set(folder.remoteRoot, {
          place: folder,
          isTwoWay: folder.isWritable || (before?.isTwoWay ?? false),
          isUp: isUp || (before?.isUp ?? false),
        });
      }
    }
    return wanted;
  }

  /** What was written last comes here first; what didn't come isn't taken away. */
  async #end(remoteRoot: string, folder: SyncedFolder, isNamed: boolean): Promise<void> {
    try {
      await (isNamed ? folder.sync() : folder.retire());
    } catch (error) {
      if (!isNamed) {
        this.#given.add(remoteRoot);
        this.#deps.log.warn({ err: error }, `${remoteRoot} on the remote host is not used any more, but stays there`);
      }
    }
    await folder.close();
    this.#open.delete(remoteRoot);
  }
}
