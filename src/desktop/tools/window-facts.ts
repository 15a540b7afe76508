// What the window manager and the windows themselves say of them: EWMH 1.5 (_NET_…), ICCCM 2.0 (WM_…).
import { WINDOW_TEXT_MAX, WINDOWS_MAX, type DesktopWindow } from '../../protocol/tools.ts';
import type { XDisplay } from '../../neko/embedded/x11.ts';

const ANY_TYPE = 0;
/** A property is read as so many units of four bytes at most: more than any list or text that we want. */
const PROPERTY_UNITS = 4096;
const CLIENT_LIST = '_NET_CLIENT_LIST';
const ACTIVE = '_NET_ACTIVE_WINDOW';
/** Windows that are no program's: backgrounds and panels. */
const FIXTURES = ['_NET_WM_WINDOW_TYPE_DESKTOP', '_NET_WM_WINDOW_TYPE_DOCK'];

const NAMES = [
  CLIENT_LIST,
  ACTIVE,
  '_NET_WM_NAME',
  'WM_NAME',
  'WM_CLASS',
  '_NET_WM_PID',
  '_NET_WM_WINDOW_TYPE',
  '_NET_WM_STATE',
  ...FIXTURES,
];

/** Reads what is said of windows. */
export class WindowFacts {
  readonly #display: XDisplay;
  readonly #atoms: ReadonlyMap<string, number>;

  static async open(display: XDisplay): Promise<WindowFacts> {
    const atoms = await Promise.all(NAMES.map(async (name) => [name, await display.atom(name)] as const));
    return new WindowFacts(display, new Map(atoms));
  }

  private constructor(display: XDisplay, atoms: ReadonlyMap<string, number>) {
    this.#display = display;
    this.#atoms = atoms;
  }

  /** The oldest first. */
  async list(): Promise<DesktopWindow[]> {
    const [ids, active] = await Promise.all([this.#ids(), this.#active()]);
    const windows = await Promise.all(ids.slice(0, WINDOWS_MAX).map((id) => this.#describe(id, active)));
    return windows.filter((window) => window !== undefined);
  }

  /** As atoms (_NET_WM_STATE); none of one that is gone. */
  async states(id: number): Promise<number[]> {
    return numbersIn(await this.#property(id, '_NET_WM_STATE').catch(() => Buffer.alloc(0)));
  }

  async #ids(): Promise<number[]> {
    return numbersIn(await this.#property(this.#display.root, CLIENT_LIST));
  }

  async #active(): Promise<number | undefined> {
    return numbersIn(await this.#property(this.#display.root, ACTIVE))[0];
  }

  /** Undefined for one that is gone by now, or no program's. */
  async #describe(id: number, active: number | undefined): Promise<DesktopWindow | undefined> {
    try {
      const [kinds, name, oldName, classes, pid, place] = await Promise.all([
        this.#property(id, '_NET_WM_WINDOW_TYPE'),
        this.#property(id, '_NET_WM_NAME'),
        this.#property(id, 'WM_NAME'),
        this.#property(id, 'WM_CLASS'),
        this.#property(id, '_NET_WM_PID'),
        this.#place(id),
      ]);
      const fixtures = FIXTURES.map((fixture) => this.#atom(fixture));
      if (numbersIn(kinds).some((kind) => fixtures.includes(kind))) return undefined;
      const title = name.length > 0 ? name.toString('utf8') : oldName.toString('latin1');
      return {
        id: String(id),
        title: title.slice(0, WINDOW_TEXT_MAX),
        // Its instance and its class, each with a zero byte after it.
        class: (classes.toString('latin1').split('\0')[1] ?? '').slice(0, WINDOW_TEXT_MAX),
        pid: numbersIn(pid)[0] ?? null,
        ...place,
        isActive: id === active,
      };
    } catch {
      // BadWindow: it was closed while it was asked about.
      return undefined;
    }
  }

  async #place(id: number): Promise<Pick<DesktopWindow, 'x' | 'y' | 'width' | 'height'>> {
    const { client, root } = this.#display;
    const [{ width, height }, { destX: x, destY: y }] = await Promise.all([
      this.#display.ask<{ width: number; height: number }>((done) => client.GetGeometry(id, done)),
      this.#display.ask<{ destX: number; destY: number }>((done) => client.TranslateCoordinates(id, root, 0, 0, done)),
    ]);
    return { x, y, width, height };
  }

  /** Empty where there is none. */
  async #property(window: number, name: string): Promise<Buffer> {
    const { client } = this.#display;
    const { data } = await this.#display.ask<{ data: Buffer }>((done) =>
      client.GetProperty(0, window, this.#atom(name), ANY_TYPE, 0, PROPERTY_UNITS, done),
    );
    return data;
  }

  #atom(name: string): number {
    return this.#atoms.get(name) ?? 0;
  }
}

/** Of windows, atoms and numbers alike: units of four bytes. */
function numbersIn(data: Buffer): number[] {
  return Array.from({ length: Math.floor(data.length / 4) }, (_, index) => data.readUInt32LE(index * 4));
}
