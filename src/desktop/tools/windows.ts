import x11 from 'x11';
import { GatewayError } from '../../errors.ts';
import type { XDisplay } from '../../neko/embedded/x11.ts';
import type { DesktopWindow } from '../../protocol/tools.ts';
import { WindowFacts } from './window-facts.ts';

/** Time that the window manager and the window's program have for what they are asked; what it is then is the answer. */
const OBEY_MS = 1000;
/** What became another one than was asked for counts when it stays so long: a new window may just be placed, or take its first size. */
const REST_MS = 150;
/** One that its program keeps changing is answered as it is then. */
const CHANGES_MAX = 10;
/** A program that is asked to close may first ask its user, which takes longer. */
const CLOSE_MS = 2000;

/** EWMH: the request comes from a pager, so that it is obeyed whatever its time. */
const FROM_PAGER = 2;
/** EWMH: takes states away. */
const REMOVE_STATE = 0;
/** Places are of the window's content, not of its frame. */
const STATIC_GRAVITY = 10;
/** Which of x, y, width and height a _NET_MOVERESIZE_WINDOW says, and who asks. */
const HAS_PLACE = 0x300 | (FROM_PAGER << 12);
const HAS_SIZE = 0xc00 | (FROM_PAGER << 12);

/** Pixels. */
const BORDER_MAX = 16;

/** States of windows that fill the screen, or one direction of it. */
const FILLING = ['_NET_WM_STATE_MAXIMIZED_VERT', '_NET_WM_STATE_MAXIMIZED_HORZ', '_NET_WM_STATE_FULLSCREEN'] as const;
const REQUESTS = [
  '_NET_ACTIVE_WINDOW',
  '_NET_CLOSE_WINDOW',
  '_NET_MOVERESIZE_WINDOW',
  '_NET_WM_STATE',
  ...FILLING,
] as const;
type Request = (typeof REQUESTS)[number];

type Place = Pick<DesktopWindow, 'x' | 'y'>;
type Size = Pick<DesktopWindow, 'width' | 'height'>;

interface Change {
  /** Whether it is what was asked for. */
  fits: (window: DesktopWindow) => boolean;
  isSame: (one: DesktopWindow, other: DesktopWindow) => boolean;
}

/** The windows that people see as such; what is asked of them, the window manager is asked for (EWMH 1.5). */
export class Windows {
  readonly #display: XDisplay;
  readonly #facts: WindowFacts;
  readonly #atoms: ReadonlyMap<Request, number>;

  static async open(display: XDisplay): Promise<Windows> {
    const facts = await WindowFacts.open(display);
    const atoms = await Promise.all(REQUESTS.map(async (name) => [name, await display.atom(name)] as const));
    const { client, root } = display;
    display.tell(() => client.ChangeWindowAttributes(root, { eventMask: x11.eventMask.PropertyChange }));
    return new Windows(display, facts, new Map(atoms));
  }

  private constructor(display: XDisplay, facts: WindowFacts, atoms: ReadonlyMap<Request, number>) {
    this.#display = display;
    this.#facts = facts;
    this.#atoms = atoms;
  }

  /** The oldest first. */
  list(): Promise<DesktopWindow[]> {
    return this.#facts.list();
  }

  async findFocused(): Promise<DesktopWindow | undefined> {
    return (await this.list()).find(({ isActive }) => isActive);
  }

  /** Keys go to it, and it is above the others; a minimized one comes back. @throws GatewayError NOT_FOUND | TOOLS_FAILED */
  async focus(id: string): Promise<DesktopWindow> {
    await this.#get(id);
    this.#ask(id, '_NET_ACTIVE_WINDOW', [FROM_PAGER]);
    const window = await this.#after(id, ({ isActive }) => isActive, OBEY_MS);
    if (!window?.isActive)
      throw new GatewayError('TOOLS_FAILED', `window ${id} did not take the focus within ${OBEY_MS} ms`);
    return window;
  }

  /** A new window once it has the focus, which window managers give it, or as it is when it gets none; undefined once it is gone. */
  untilFocused(id: string): Promise<DesktopWindow | undefined> {
    return this.#after(id, ({ isActive }) => isActive, OBEY_MS);
  }

  /** One that fills the screen does so no more. Resolves with where it is then. @throws GatewayError NOT_FOUND */
  async move(id: string, { x, y }: Place): Promise<DesktopWindow> {
    const before = await this.#release(id);
    const ask = (at: Place, from: DesktopWindow): Promise<DesktopWindow> => {
      this.#ask(id, '_NET_MOVERESIZE_WINDOW', [STATIC_GRAVITY | HAS_PLACE, at.x, at.y]);
      return this.#changed(id, from, { fits: (window) => isAt(window, { x, y }), isSame: isAt });
    };
    const window = await ask({ x, y }, before);
    const off = { x: x - window.x, y: y - window.y };
    // openbox adds the border that the window had before it was managed, which nobody can see any more (3.6.1).
    const isByBorder = !isAt(off, { x: 0, y: 0 }) && Math.max(Math.abs(off.x), Math.abs(off.y)) <= BORDER_MAX;
    return isByBorder ? await ask({ x: x + off.x, y: y + off.y }, window) : window;
  }

  /** As `move`; a terminal takes whole characters only. @throws GatewayError NOT_FOUND */
  async resize(id: string, { width, height }: Size): Promise<DesktopWindow> {
    const before = await this.#release(id);
    this.#ask(id, '_NET_MOVERESIZE_WINDOW', [STATIC_GRAVITY | HAS_SIZE, 0, 0, width, height]);
    const size = { width, height };
    return await this.#changed(id, before, { fits: (window) => isSized(window, size), isSame: isSized });
  }

  /** Resolves with whether it is gone: its program may ask its user first. @throws GatewayError NOT_FOUND */
  async close(id: string): Promise<boolean> {
    await this.#get(id);
    this.#ask(id, '_NET_CLOSE_WINDOW', [0, FROM_PAGER]);
    return (await this.#after(id, () => false, CLOSE_MS)) === undefined;
  }

  /** Resolves with what `look` finds, asked again when windows change and when `event` does; undefined once the limit is aborted. */
  async until<T>(
    look: () => Promise<T | undefined>,
    limit: AbortSignal,
    event?: Promise<unknown>,
  ): Promise<T | undefined> {
    let changed = Promise.withResolvers<void>();
    const wake = (): void => changed.resolve();
    const stops = [
      this.#display.on('PropertyNotify', wake),
      this.#display.on('ConfigureNotify', wake),
      this.#display.on('DestroyNotify', wake),
    ];
    void event?.then(wake);
    const aborted = Promise.withResolvers<void>();
    const onAbort = (): void => aborted.resolve();
    limit.addEventListener('abort', onAbort);
    try {
      for (;;) {
        const found = await look();
        if (found !== undefined || limit.aborted) return found;
        await Promise.race([changed.promise, aborted.promise, this.#display.lost]);
        changed = Promise.withResolvers();
      }
    } finally {
      limit.removeEventListener('abort', onAbort);
      for (const stop of stops) stop();
    }
  }

  async #get(id: string): Promise<DesktopWindow> {
    const window = await this.#find(id);
    if (!window) throw new GatewayError('NOT_FOUND', `the desktop has no window ${id}`);
    return window;
  }

  async #find(id: string): Promise<DesktopWindow | undefined> {
    return (await this.list()).find((window) => window.id === id);
  }

  /** The window manager places no window that fills the screen. */
  async #release(id: string): Promise<DesktopWindow> {
    const before = await this.#get(id);
    const filling = FILLING.map((state) => this.#atom(state));
    const fills = async (): Promise<boolean> => {
      const states = await this.#facts.states(Number(id));
      return filling.some((state) => states.includes(state));
    };
    if (!(await fills())) return before;
    for (const state of filling) this.#ask(id, '_NET_WM_STATE', [REMOVE_STATE, state, 0, FROM_PAGER]);
    await this.#after(id, async () => !(await fills()), OBEY_MS);
    return await this.#get(id);
  }

  /** As it was asked to be, or as it stays. */
  async #changed(id: string, before: DesktopWindow, { fits, isSame }: Change): Promise<DesktopWindow> {
    let last = before;
    for (let changes = 0; changes < CHANGES_MAX; changes++) {
      const from = last;
      const limitMs = changes === 0 ? OBEY_MS : REST_MS;
      const window = await this.#after(id, (now) => fits(now) || !isSame(now, from), limitMs);
      if (!window) throw new GatewayError('NOT_FOUND', `window ${id} was closed meanwhile`);
      if (fits(window) || isSame(window, from)) return window;
      last = window;
    }
    return last;
  }

  /** The window once it fits, or as it is at the limit; undefined once it is gone. */
  async #after(
    id: string,
    fits: (window: DesktopWindow) => boolean | Promise<boolean>,
    limitMs: number,
  ): Promise<DesktopWindow | undefined> {
    const { client } = this.#display;
    const watch = (eventMask: number): void => {
      this.#display.tell(() => client.ChangeWindowAttributes(Number(id), { eventMask }));
    };
    let last: DesktopWindow | undefined;
    watch(x11.eventMask.StructureNotify | x11.eventMask.PropertyChange);
    await this.until(async () => {
      last = await this.#find(id);
      return last === undefined || (await fits(last)) ? true : undefined;
    }, AbortSignal.timeout(limitMs));
    if (last) watch(0);
    return last;
  }

  #ask(id: string, request: Request, data: number[]): void {
    const { client, root } = this.#display;
    this.#display.tell(() => client.SendClientMessage(root, Number(id), this.#atom(request), 32, data));
  }

  #atom(name: Request): number {
    return this.#atoms.get(name) ?? 0;
  }
}

function isAt(one: Place, other: Place): boolean {
  return one.x === other.x && one.y === other.y;
}

function isSized(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}
