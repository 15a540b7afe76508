import type { Logger } from 'pino';
import { keysymOfCharacter } from '../input/keysyms.ts';
import { XDisplay } from '../neko/embedded/x11.ts';
import type { XServer } from './x-server.ts';

/** Keysyms of multimedia keys, which no text needs and Xvnc's map gives most of its keycodes to (X11/XF86keysym.h). */
const MULTIMEDIA = { first: 0x1008_0000, last: 0x1008_ffff };
const NO_SYMBOL = 0;
/** Chromium goes back, forward or loads the page anew at these, whatever the map says that they type. */
const BROWSER_KEYCODES = [166, 167, 181];
/** The state mask tells of five buttons; the wheel's are never held. */
const BUTTONS = 5;
const BUTTON_1_MASK = 0x100;
/**
 * Free keycodes that are kept at all times. A streamer takes one for each new character; this many may come before we have seen the
 * first. Of the hundred and more that there are, the rest remember what was typed last.
 */
const FREE_KEYCODES = 30;
/**
 * Characters that have a keycode from the start: what people type on keyboards of western layouts. neko presses a key in the moment in
 * which it maps it, and programs that read the changed map later lose that press (Chromium nearly always); one that is there is safe.
 * No more than these: a sentence of 30 other characters must find room before those of the sentence before are taken back.
 */
const LETTERS = 'äöüàâéèêëçñôîïûáíóúåæøœ';
const SIGNS = 'ß€£§°¿’–…';
/** Capitals aside, which are typed with Shift. */
const ASCII = Array.from('!"#$%&\'()*+,-./0123456789:;<=>?@[\\]^_`{|}~');

/**
 * Keycodes for characters that no key of the layout types. Streamers give such a character a keycode that has no group of keysyms;
 * Xvnc's map leaves a single one, and neko never takes one back: it would type one such character and drop every other. So the
 * keycodes of multimedia keys are freed, and those that were taken are freed again, the longest taken first, when few are left.
 * A multimedia key that somebody presses is given a keycode like any other character. Changes of the layout are seen and treated alike.
 */
export class SpareKeycodes implements AsyncDisposable {
  readonly #display: XDisplay;
  readonly #pool: readonly number[];
  /** What the keycodes of `LETTERS` and `SIGNS` give, without and with Shift. */
  readonly #lent: ReadonlyMap<number, readonly [number, number]>;
  readonly #log: Logger;
  /** Keycodes of the pool that have keysyms, the longest taken first. */
  #taken: number[] = [];
  #reading: Promise<void> | undefined;
  #isStale = false;

  /** Resolves once the keycodes are free; keeps them so until it is closed, or the X server is gone. */
  static async open(xServer: XServer, log: Logger): Promise<SpareKeycodes> {
    const onError = (error: Error): void => log.debug({ err: error }, 'X error of the spare keycodes');
    await using opening = new AsyncDisposableStack();
    const display = opening.use(await XDisplay.open(xServer.display, onError, xServer.cookie));
    const [rows, modifiers] = await Promise.all([
      readMap(display),
      display.ask<number[][]>((done) => display.client.GetModifierMapping(done)),
    ]);
    const spareable = listSpareable({ first: display.keycodes.first, rows, modifiers: modifiers.flat() });
    const pairs = [...keysymPairs(), ...shiftedSigns(rows)];
    const pool = spareable.slice(pairs.length);
    if (pool.length < FREE_KEYCODES) log.warn({ keycodes: spareable.length }, 'few keycodes are left for characters');
    for (const keycode of pool) free(display, keycode);
    const lent = new Map(
      pairs.flatMap((pair, index) => (spareable[index] === undefined ? [] : [[spareable[index], pair]])),
    );
    for (const [keycode, pair] of lent) lend(display, keycode, pair);
    await display.sync();
    opening.move();
    return new SpareKeycodes(display, { pool, lent, log });
  }

  private constructor(
    display: XDisplay,
    { pool, lent, log }: { pool: readonly number[]; lent: ReadonlyMap<number, readonly [number, number]>; log: Logger },
  ) {
    this.#display = display;
    this.#pool = pool;
    this.#lent = lent;
    this.#log = log;
    display.onKeyboardMap(() => this.#refresh());
  }

  /**
   * Releases every key and button that is down. A streamer that dies leaves down what its clients held, and the next one knows nothing
   * of it: only the X server does.
   */
  async releaseAll(): Promise<void> {
    const display = this.#display;
    const { client, root, xtest, keycodes } = display;
    const [down, { keyMask }] = await Promise.all([
      display.ask<Buffer>((done) => client.QueryKeymap(done)),
      display.ask<{ keyMask: number }>((done) => client.QueryPointer(root, done)),
    ]);
    display.tell(() => {
      for (let keycode = keycodes.first; keycode <= keycodes.last; keycode++)
        if (isDown(down, keycode)) xtest.FakeInput(xtest.KeyRelease, keycode, 0, 0, 0, 0);
      for (let button = 1; button <= BUTTONS; button++)
        if ((keyMask & (BUTTON_1_MASK << (button - 1))) !== 0) xtest.FakeInput(xtest.ButtonRelease, button, 0, 0, 0, 0);
    });
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#display.close();
    await this.#reading;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refresh(): void {
    this.#isStale = true;
    this.#reading ??= this.#readUntilFresh()
      // The X server went away in between; whoever keeps it knows.
      .catch((thrown: unknown) => this.#log.debug({ err: thrown }, 'cannot read the keyboard map'))
      .finally(() => (this.#reading = undefined));
  }

  async #readUntilFresh(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      const [rows, down] = await Promise.all([
        readMap(this.#display),
        this.#display.ask<Buffer>((done) => this.#display.client.QueryKeymap(done)),
      ]);
      const now = this.#pool.filter((keycode) => !isEmpty(rows[keycode - this.#display.keycodes.first]));
      this.#taken = [
        ...this.#taken.filter((keycode) => now.includes(keycode)),
        ...now.filter((keycode) => !this.#taken.includes(keycode)),
      ];
      this.#freeOldest(down);
      this.#lendAgain(rows);
    }
  }

  /** A change of the layout takes them. */
  #lendAgain(rows: readonly number[][]): void {
    for (const [keycode, pair] of this.#lent) {
      const [plain] = rows[keycode - this.#display.keycodes.first] ?? [];
      if (plain !== pair[0]) lend(this.#display, keycode, pair);
    }
  }

  #freeOldest(down: Buffer): void {
    const missing = FREE_KEYCODES - (this.#pool.length - this.#taken.length);
    if (missing <= 0) return;
    const oldest = this.#taken.filter((keycode) => !isDown(down, keycode)).slice(0, missing);
    for (const keycode of oldest) free(this.#display, keycode);
    this.#taken = this.#taken.filter((keycode) => !oldest.includes(keycode));
  }
}

function keysymPairs(): [number, number][] {
  return [
    ...Array.from(LETTERS, (letter): [number, number] => [
      keysymOfCharacter(letter),
      keysymOfCharacter(letter.toUpperCase()),
    ]),
    ...Array.from(SIGNS, (sign): [number, number] => [keysymOfCharacter(sign), keysymOfCharacter(sign)]),
  ];
}

/**
 * ASCII's signs that the layout has behind Shift alone: to a streamer that is told one without a Shift it is like a character that no key has. People hold
 * the Shift, programs don't know whether it takes one.
 */
function shiftedSigns(rows: readonly number[][]): [number, number][] {
  const plain = new Set(rows.map(([keysym]) => keysym));
  return ASCII.map((character) => keysymOfCharacter(character))
    .filter((keysym) => !plain.has(keysym))
    .map((keysym) => [keysym, keysym]);
}

function lend(display: XDisplay, keycode: number, pair: readonly [number, number]): void {
  display.tell(() => display.client.ChangeKeyboardMapping(keycode, 2, [...pair]));
}

function readMap(display: XDisplay): Promise<number[][]> {
  const { first, last } = display.keycodes;
  return display.ask<number[][]>((done) => display.client.GetKeyboardMapping(first, last - first + 1, done));
}

/** The keycodes that type nothing, or nothing but multimedia keys, and are no modifier; but for those that mean more than what they type. */
function listSpareable(map: { first: number; rows: readonly number[][]; modifiers: readonly number[] }): number[] {
  return map.rows
    .map((row, index) => ({ keycode: map.first + index, row }))
    .filter(
      ({ keycode, row }) =>
        ![...map.modifiers, ...BROWSER_KEYCODES].includes(keycode) && row.every((keysym) => isSpareable(keysym)),
    )
    .map(({ keycode }) => keycode);
}

function isSpareable(keysym: number): boolean {
  return keysym === NO_SYMBOL || (keysym >= MULTIMEDIA.first && keysym <= MULTIMEDIA.last);
}

function isEmpty(row: readonly number[] | undefined): boolean {
  return row?.every((keysym) => keysym === NO_SYMBOL) ?? true;
}

/** `down` has a bit a keycode, the lowest first (QueryKeymap). */
function isDown(down: Buffer, keycode: number): boolean {
  return (((down[keycode >> 3] ?? 0) >> (keycode & 7)) & 1) === 1;
}

/** Xvnc's own empty keycodes have one group of no keysym, which streamers take for a used one; after this they have none. */
function free(display: XDisplay, keycode: number): void {
  display.tell(() => display.client.ChangeKeyboardMapping(keycode, 1, [NO_SYMBOL]));
}
