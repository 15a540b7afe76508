import type { Logger } from 'pino';
import type { ScreenSize } from '../../signaling/messages.ts';
import { ScreenChanges } from './changes.ts';
import { Clipboard } from './clipboard.ts';
import { Cursor } from './cursor.ts';
import { DesktopInputs } from './input.ts';
import { KeyboardLayout } from './keyboard-layout.ts';
import { Modifiers } from './modifiers.ts';
import { Screen } from './screen.ts';
import { Screenshots } from './screenshot.ts';
import { unminimizeWindows } from './unminimize.ts';
import { XDisplay } from './x11.ts';

export interface DesktopOptions {
  display: string;
  /** The size to start with; where the server refuses it, the one that it has stays. */
  screen: ScreenSize;
  unminimize: boolean;
  /** Whether touch moves and presses the pointer. */
  touch: boolean;
  /** The whole environment of the programs that help with it. */
  env: NodeJS.ProcessEnv;
}

/** The X desktop that is streamed, and all that is done on it. */
export class Desktop implements AsyncDisposable {
  readonly input: DesktopInputs;
  readonly cursor: Cursor;
  readonly screen: Screen;
  readonly clipboard: Clipboard;
  readonly screenshots: Screenshots;
  readonly changes: ScreenChanges;
  readonly layout: KeyboardLayout;
  readonly modifiers: Modifiers;
  readonly #display: XDisplay;
  readonly #stopUnminimizing: () => void;
  #closing: Promise<void> | undefined;

  /** Connects to the display and sets its size. Rejects, and leaves nothing open, when that cannot be done. */
  static async open(options: DesktopOptions, logger: Logger): Promise<Desktop> {
    await using opening = new AsyncDisposableStack();
    const display = opening.use(
      // Such as a window that was gone before it was answered: nothing to do about it.
      await XDisplay.open(options.display, (error) => logger.debug({ err: error }, 'X error')),
    );
    const screen = await Screen.open(display);
    try {
      await screen.set(options.screen);
    } catch (error) {
      logger.warn({ err: error }, 'the X server keeps its screen size');
    }
    const clipboard = await Clipboard.open(display, logger);
    const stopUnminimizing = options.unminimize ? await unminimizeWindows(display) : () => undefined;
    const screenshots = new Screenshots({ display, screen }, options.env, logger);
    const layout = new KeyboardLayout(display, { ...options.env, DISPLAY: options.display });
    const desktop = new Desktop(
      { display, screen, clipboard, screenshots, layout, stopUnminimizing, hasTouch: options.touch },
      logger,
    );
    await desktop.input.releaseStuck();
    opening.move();
    return desktop;
  }

  private constructor(
    parts: {
      display: XDisplay;
      screen: Screen;
      clipboard: Clipboard;
      screenshots: Screenshots;
      layout: KeyboardLayout;
      hasTouch: boolean;
      stopUnminimizing: () => void;
    },
    logger: Logger,
  ) {
    this.#display = parts.display;
    this.screen = parts.screen;
    this.clipboard = parts.clipboard;
    this.screenshots = parts.screenshots;
    this.layout = parts.layout;
    this.modifiers = new Modifiers(parts.display);
    this.#stopUnminimizing = parts.stopUnminimizing;
    this.input = new DesktopInputs(parts.display, { hasTouch: parts.hasTouch }, logger);
    this.changes = new ScreenChanges(parts.display);
    this.cursor = new Cursor(parts.display, logger);
  }

  /** Resolves with why when the X server is gone. */
  get lost(): Promise<Error> {
    return this.#display.lost;
  }

  /** Releases what is held down and closes the connection. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.input.close();
    this.#stopUnminimizing();
    this.changes.close();
    this.cursor.close();
    this.clipboard.close();
    this.screen.close();
    await this.screenshots.close();
    await this.#display.close();
  }
}
