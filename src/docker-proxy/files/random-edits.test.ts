// Whatever is done to both sides, with proxies that come and go: they end up the same, and nothing that somebody wrote is lost.
import { link, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, test } from 'vitest';
import { seededRandom } from '../../../test/harness/random.ts';
import { look, setUpSynced } from '../../../test/harness/synced-setting.ts';
import type { SyncedFolder } from './synced-folder.ts';

/** The same number is the same run, as far as the clock lets it. Of odd and even ones the remote knows different things. */
const SEED = Math.floor(Math.random() * 2 ** 30) * 2;
const SEEDS = [SEED, SEED + 1];
const STEPS = 60;
const FOLDERS = ['', 'one', 'two', 'two/deep'];
const NAMES = ['a.txt', 'b', 'one', 'deep'];
const CALMING_SYNCS = 6;

/** One side as a user of it acts. What is taken away is moved to a grave as it was at that moment, so that it can be told from what was lost. */
class Hand {
  readonly #root: string;
  readonly #graveyard: string;
  readonly #random: () => number;
  readonly #write: () => string;
  readonly #isMoving: boolean;
  #graves = 0;

  constructor(
    root: string,
    grave: string,
    random: () => number,
    { write, isMoving }: { write: () => string; isMoving: boolean },
  ) {
    this.#root = root;
    this.#graveyard = grave;
    this.#random = random;
    this.#write = write;
    this.#isMoving = isMoving;
  }

  /** @param isBeside while files are carried: then nothing is put over a file, which a sync in the very moment before its own would not see */
  async act(isBeside: boolean): Promise<void> {
    const path = this.#somePath();
    const choice = this.#random();
    if (isBeside) {
      if (choice < 0.4) await this.#bury(path);
      else await this.#put(`${path}-${this.#graves}`, (fresh) => writeFile(fresh, this.#write()));
      return;
    }
    if (choice < 0.5) await this.#put(path, (fresh) => writeFile(fresh, this.#write()));
    else if (choice < 0.6) await this.#put(path, (fresh) => mkdir(fresh));
    else if (choice < 0.65) await this.#put(path, (fresh) => symlink('a.txt', fresh));
    else if (choice < 0.85 || !this.#isMoving) await this.#bury(path);
    else await this.#moveTo(path, this.#somePath());
  }

  /** What is put comes whole, over nothing. */
  async #put(path: string, make: (fresh: string) => Promise<void>): Promise<void> {
    const fresh = this.#grave();
    await make(fresh);
    await this.#moveIn(fresh, path);
  }

  async #moveTo(from: string, to: string): Promise<void> {
    const taken = this.#grave();
    if (await happens(rename(from, taken))) await this.#moveIn(taken, to);
  }

  async #moveIn(taken: string, path: string): Promise<void> {
    await this.#bury(path);
    const stats = await lstat(taken);
    // A file or link only where there is nothing; a folder where there is nothing or an empty folder.
    if (!stats.isDirectory()) {
      if (await happens(link(taken, path))) await rm(taken);
    } else await happens(rename(taken, path));
  }

  async #bury(path: string): Promise<void> {
    await happens(rename(path, this.#grave()));
  }

  #grave(): string {
    return join(this.#graveyard, String(this.#graves++));
  }

  #somePath(): string {
    return join(this.#root, this.#pick(FOLDERS), this.#pick(NAMES));
  }

  #pick(from: readonly string[]): string {
    return from[Math.floor(this.#random() * from.length)] ?? '';
  }
}

async function happens(task: Promise<unknown>): Promise<boolean> {
  return task.then(
    () => true,
    () => false,
  );
}

async function textsIn(folder: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) found.add(await readFile(join(entry.parentPath, entry.name), 'utf8'));
  return found;
}

test.each(SEEDS)(
  'random edits on both sides with restarts between end up the same, and nothing is lost (seed %i)',
  async (seed) => {
    await using at = await setUpSynced();
    const random = seededRandom(seed);
    const written: string[] = [];
    // Many within a second. Of files of one length and one second SFTP can't tell which took the other's place.
    const isOneLength = seed % 2 === 0;
    const write = (): string => {
      const text = `text ${String(written.length).padStart(isOneLength ? 6 : written.length, '0')}`;
      written.push(text);
      return text;
    };
    await writeFile(join(at.here, 'anchor'), 'anchor');
    let folder: SyncedFolder = at.open();
    await folder.sync();
    const graves = join(at.path, 'graves');
    for (const side of ['here', 'there']) await mkdir(join(graves, side), { recursive: true });
    const hands = [
      new Hand(at.here, join(graves, 'here'), random, { write, isMoving: true }),
      new Hand(at.there, join(graves, 'there'), random, { write, isMoving: !isOneLength }),
    ];

    for (let step = 0; step < STEPS; step++) {
      const syncing = random() < 0.4 ? folder.sync().catch(() => undefined) : undefined;
      for (const hand of hands)
        for (let acts = Math.floor(random() * 4); acts > 0; acts--) await hand.act(syncing !== undefined);
      const next = random();
      // Breaks off what is under way.
      if (next < 0.15) {
        await folder.close();
        folder = at.open();
      } else if (next < 0.6) await folder.sync().catch(() => undefined);
      await syncing;
    }
    let last: unknown = new Error('not asked');
    for (let attempt = 0; attempt < CALMING_SYNCS && last !== undefined; attempt++)
      last = await folder.sync().then(
        () => undefined,
        (error: unknown) => error,
      );

    assert.isUndefined(last, String(last));
    const now = await look(at.here);
    assert.deepEqual(await look(at.there), now);
    const left = new Set([...(await textsIn(at.here)), ...(await textsIn(graves))]);
    assert.deepEqual(
      written.filter((text) => !left.has(text)),
      [],
      `lost with seed ${seed}`,
    );
  },
);
