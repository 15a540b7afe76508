import type { ScreenInfo } from 'x11';
import type { ScreenSize } from '../../signaling/messages.ts';
import type { XDisplay } from './x11.ts';

const SCREEN_CHANGE = 1;
// What an X server takes; beyond it a request is refused.
const SIDE_MIN_PX = 16;
const SIDE_MAX_PX = 16_384;
const RATE_MAX = 240;
const RATE_DEFAULT = 60;
const WIDTH_STEP_PX = 8;

/** The desktop's size, by RandR. */
export class Screen {
  readonly #display: XDisplay;
  readonly #listeners = new Set<(size: ScreenSize, isOurs: boolean) => void>();
  readonly #stopWatching: () => void;
  #setting: Promise<unknown> = Promise.resolve();
  #size: ScreenSize;
  #isSetting = false;

  /** Reads the present size and watches it. */
  static async open(display: XDisplay): Promise<Screen> {
    return new Screen(display, await readSize(display));
  }

  private constructor(display: XDisplay, size: ScreenSize) {
    this.#display = display;
    this.#size = size;
    this.#stopWatching = display.on('RRScreenChangeNotify', () => void this.#refresh());
    display.tell(() => display.randr.SelectInput(display.root, SCREEN_CHANGE));
  }

  get size(): ScreenSize {
    return this.#size;
  }

  /** Calls `listener` after each change of size, with whether `set` made it or somebody else, until the returned function is called. */
  watch(listener: (size: ScreenSize, isOurs: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sets a size, making a mode for it where there is none; resolves with what was set: as neko does, the width is cut to
   * a multiple of 8 and a rate of 0 is 60. Rejects when the server refuses.
   */
  set({ width, height, rate }: ScreenSize): Promise<ScreenSize> {
    const size = { width: width - (width % WIDTH_STEP_PX), height, rate: rate || RATE_DEFAULT };
    const done = this.#setting.then(() => this.#set(size));
    this.#setting = done.catch(() => undefined);
    return done;
  }

  /** The sizes and rates that the server offers, without the odd rates, as neko lists them. */
  async configurations(): Promise<ScreenSize[]> {
    const info = await readInfo(this.#display);
    const rates = ratesBySize(info);
    return info.screens.flatMap((screen, index) =>
      (rates[index] ?? [])
        .filter((rate) => rate <= 60 && (rate <= 30 || rate % 10 === 0))
        .map((rate) => ({ width: screen.px_width, height: screen.px_height, rate })),
    );
  }

  close(): void {
    this.#stopWatching();
    this.#listeners.clear();
  }

  async #set(size: ScreenSize): Promise<ScreenSize> {
    if (!isSide(size.width) || !isSide(size.height) || size.rate < 0 || size.rate > RATE_MAX) {
      throw new RangeError(`cannot be ${size.width}x${size.height}@${size.rate}`);
    }
    const { randr, root } = this.#display;
    let info = await readInfo(this.#display);
    if (findSize(info, size) === undefined) {
      await this.#addMode(size);
      info = await readInfo(this.#display);
    }
    const sizeId = findSize(info, size);
    if (sizeId === undefined) throw new Error(`the X server has no mode of ${size.width}x${size.height}`);
    const rates = ratesBySize(info)[sizeId] ?? [];
    const rate = rates.includes(size.rate) ? size.rate : 0;
    this.#isSetting = true;
    try {
      await this.#display.ask((done) =>
        randr.SetScreenConfig(root, 0, info.config_timestamp, sizeId, info.rotation, rate, done),
      );
      await this.#refresh();
      return size;
    } finally {
      this.#isSetting = false;
    }
  }

  async #addMode(size: ScreenSize): Promise<void> {
    const { randr, root } = this.#display;
    const { rate } = size;
    const mode = await this.#display.ask<number>((done) =>
      randr.CreateMode(
        root,
        {
          name: `${size.width}x${size.height}_${rate}`,
          width: size.width,
          height: size.height,
          // No blanking: nobody but the rate's arithmetic looks at a virtual screen's timings.
          dot_clock: size.width * size.height * rate,
          h_sync_start: size.width,
          h_sync_end: size.width,
          h_total: size.width,
          v_sync_start: size.height,
          v_sync_end: size.height,
          v_total: size.height,
        },
        done,
      ),
    );
    const { outputs } = await this.#display.ask<{ outputs: number[] }>((done) =>
      randr.GetScreenResourcesCurrent(root, done),
    );
    this.#display.tell(() => {
      for (const output of outputs) randr.AddOutputMode(output, mode);
    });
  }

  async #refresh(): Promise<void> {
    const before = this.#size;
    try {
      this.#size = await readSize(this.#display);
    } catch {
      return; // the X server is gone, which the display itself reports
    }
    const now = this.#size;
    if (now.width === before.width && now.height === before.height) return;
    for (const listener of this.#listeners) listener(now, this.#isSetting);
  }
}

function isSide(pixels: number): boolean {
  return Number.isInteger(pixels) && pixels >= SIDE_MIN_PX && pixels <= SIDE_MAX_PX;
}

function readInfo(display: XDisplay): Promise<ScreenInfo> {
  return display.ask<ScreenInfo>((done) => display.randr.GetScreenInfo(display.root, done));
}

async function readSize(display: XDisplay): Promise<ScreenSize> {
  const info = await readInfo(display);
  const screen = info.screens[info.sizeID];
  if (screen === undefined) throw new Error('the X server does not tell its size');
  return { width: screen.px_width, height: screen.px_height, rate: info.rate };
}

function findSize(info: ScreenInfo, size: ScreenSize): number | undefined {
  const index = info.screens.findIndex((one) => one.px_width === size.width && one.px_height === size.height);
  return index < 0 ? undefined : index;
}

function ratesBySize(info: ScreenInfo): number[][] {
  const lists: number[][] = [];
  for (let at = 0; lists.length < info.screens.length && at < info.rates.length;) {
    const count = info.rates[at] ?? 0;
    lists.push(info.rates.slice(at + 1, at + 1 + count));
    at += 1 + count;
  }
  return lists;
}
