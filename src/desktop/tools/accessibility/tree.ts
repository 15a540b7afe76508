import { z } from 'zod';
import type { Element, ElementTree, TreeQuery } from '../../../protocol/accessibility.ts';
import { REGISTRY, type AtSpi, type Place } from './atspi.ts';
import { readChildren, readElement } from './element.ts';

/** What a whole tree may take; what wasn't read by then is left out. */
const TREE_MS = 10_000;
/** Elements that are read at once below each of as many; a program answers one call after another, and each within its time. */
const AT_ONCE = 4;
/** Of an answer's JSON, which in UTF-8 is below a tool's 8 MiB then. */
const CHARACTERS_MAX = 2_500_000;

/** A window that a tree is to be of. */
export interface WantedWindow {
  title: string;
  pid: number | null;
}

/** An element whose children are still to be read. */
interface Open {
  place: Place;
  element: Element;
  depth: number;
}

/** The elements of all programs, or of one window, as far as the limits go: all of a level before the next. */
export async function readTree(atSpi: AtSpi, query: TreeQuery, window: WantedWindow | undefined): Promise<ElementTree> {
  return await new Reading(atSpi, query, window).read();
}

class Reading {
  readonly #atSpi: AtSpi;
  readonly #query: TreeQuery;
  readonly #window: WantedWindow | undefined;
  readonly #deadline = performance.now() + TREE_MS;
  #left: number;
  #characters = CHARACTERS_MAX;

  constructor(atSpi: AtSpi, query: TreeQuery, window: WantedWindow | undefined) {
    this.#atSpi = atSpi;
    this.#query = query;
    this.#window = window;
    this.#left = query.max;
  }

  async read(): Promise<ElementTree> {
    const programs = await this.#readAll(await readChildren(this.#atSpi, REGISTRY), 0);
    let { isWhole } = programs;
    let opens = programs.read;
    while (opens.length > 0) {
      const levels = await pooled(opens, (open) => this.#readBelow(open));
      isWhole &&= opens.every(({ element }) => element.isWhole);
      opens = levels.flat();
    }
    return { programs: programs.read.map(({ element }) => element), isWhole };
  }

  async #readBelow({ place, element, depth }: Open): Promise<Open[]> {
    const children = this.#isLate ? undefined : await readChildren(this.#atSpi, place).catch(() => undefined);
    const isTooDeep = depth >= this.#query.depth && children?.length !== 0;
    if (!children || isTooDeep) {
      element.isWhole = false;
      return [];
    }
    const { read, isWhole } = await this.#readAll(children, depth + 1);
    element.isWhole = isWhole;
    element.children = read.map((open) => open.element);
    return read;
  }

  /** Those of the places that are wanted; whole where no other was left out. */
  async #readAll(places: readonly Place[], depth: number): Promise<{ read: Open[]; isWhole: boolean }> {
    const read = await pooled(places, (place) => this.#readOne(place, depth));
    return {
      read: read.filter((open) => open !== undefined && open !== 'unwanted'),
      isWhole: read.every((open) => open !== undefined),
    };
  }

  /** Undefined where it is gone by now, its program doesn't answer, or a limit is reached. */
  async #readOne(place: Place, depth: number): Promise<Open | 'unwanted' | undefined> {
    if (this.#left <= 0 || this.#characters <= 0 || this.#isLate) return undefined;
    this.#left -= 1;
    try {
      const { facts, states } = await readElement(this.#atSpi, place);
      // A program itself shows nothing.
      const shows = depth === 0 || this.#query.hidden || states.includes('showing');
      if (!shows || !(await this.#isOfWindow(place, depth, facts.name))) {
        this.#left += 1;
        return 'unwanted';
      }
      this.#characters -= JSON.stringify(facts).length;
      return { place, element: { ...facts, children: [], isWhole: true }, depth };
    } catch {
      return undefined;
    }
  }

  /** A window is found by its program's process and, among its windows, by its title: nothing else of it is told by both. */
  async #isOfWindow(place: Place, depth: number, name: string): Promise<boolean> {
    if (!this.#window || depth > 1) return true;
    return depth === 1 ? name === this.#window.title : (await pidOf(this.#atSpi, place)) === this.#window.pid;
  }

  get #isLate(): boolean {
    return performance.now() > this.#deadline;
  }
}

async function pidOf(atSpi: AtSpi, { program }: Place): Promise<number> {
  const bus = { program: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
  const asked = { signature: 's', body: [program] };
  return (await atSpi.call(bus, 'org.freedesktop.DBus', 'GetConnectionUnixProcessID', z.tuple([z.int()]), asked))[0];
}

/** As Promise.all of it, with few at once. */
async function pooled<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return results;
}
