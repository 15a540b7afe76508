import { GatewayError, messageOf } from '../../errors.ts';
import { Clipboard } from '../../neko/embedded/clipboard.ts';
import { XDisplay } from '../../neko/embedded/x11.ts';
import type { Selection } from '../../protocol/tools.ts';
import type { ToolSite } from './tool.ts';
import { Windows } from './windows.ts';

/** What tools have open at one X server. */
export interface Place {
  display: XDisplay;
  windows: Windows;
  selections: Record<Selection, Clipboard>;
}

interface Opening {
  cookie: Buffer;
  place: Promise<Place>;
}

/** The tools' connection to the X server: made when the first of them needs it, and anew when the desktop has another one. */
export class Seat {
  readonly #site: ToolSite;
  #opening: Opening | undefined;
  /** The last one. */
  #display: XDisplay | undefined;

  constructor(site: ToolSite) {
    this.#site = site;
  }

  /** @throws GatewayError SESSION_NOT_RUNNING while there is no X server */
  async take(): Promise<Place> {
    const { display, cookie } = this.#site.getXServer();
    if (!this.#opening?.cookie.equals(cookie)) {
      const before = this.#opening;
      this.#opening = { cookie, place: this.#open(display, cookie) };
      if (before) void closePlace(before);
    }
    return await this.#opening.place;
  }

  /** What a tool threw, or that the X server ended under it. */
  async explain(thrown: unknown): Promise<unknown> {
    const notLost = Promise.resolve(undefined);
    const lost = await Promise.race([this.#display?.lost ?? notLost, notLost]);
    return lost !== undefined && thrown === lost ? restarting(lost) : thrown;
  }

  async close(): Promise<void> {
    if (this.#opening) await closePlace(this.#opening);
  }

  async #open(name: string, cookie: Buffer): Promise<Place> {
    const forget = (): void => {
      if (this.#opening?.cookie === cookie) this.#opening = undefined;
    };
    const onError = (error: Error): void => this.#site.log.debug({ err: error }, 'X error of the tools');
    await using opening = new AsyncDisposableStack();
    try {
      const display = opening.use(await XDisplay.open(name, onError, cookie));
      this.#display = display;
      void display.lost.then(forget);
      const { log } = this.#site;
      const [windows, clipboard, primary] = await Promise.all([
        Windows.open(display),
        Clipboard.open(display, log, 'CLIPBOARD'),
        Clipboard.open(display, log, 'PRIMARY'),
      ]);
      opening.move();
      return { display, windows, selections: { clipboard, primary } };
    } catch (cause) {
      forget();
      throw restarting(cause);
    }
  }
}

/** Where it doesn't answer it has ended, and the desktop starts another one. */
function restarting(cause: unknown): GatewayError {
  const message = `the desktop's X server is being started again (${messageOf(cause)}); try again in a moment`;
  return new GatewayError('SESSION_NOT_RUNNING', message, { cause });
}

async function closePlace({ place }: Opening): Promise<void> {
  const opened = await place.catch(() => undefined);
  for (const selection of Object.values(opened?.selections ?? {})) selection.close();
  await opened?.display.close();
}
