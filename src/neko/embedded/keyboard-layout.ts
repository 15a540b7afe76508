import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { KeyboardMap } from '../../signaling/messages.ts';
import type { XDisplay } from './x11.ts';

const run = promisify(execFile);

// It compiles a keymap: some 50 ms.
const SET_TIMEOUT_MS = 10_000;
const RULES_MAX_BYTES = 4096;
const STRING_ATOM = 31;

/** The keyboard's layout and variant, as setxkbmap names them and as clients of the X server see them. */
export class KeyboardLayout {
  readonly #display: XDisplay;
  readonly #env: NodeJS.ProcessEnv;
  #setting: Promise<unknown> = Promise.resolve();

  /** `env` is setxkbmap's whole environment. */
  constructor(display: XDisplay, env: NodeJS.ProcessEnv) {
    this.#display = display;
    this.#env = env;
  }

  /** Both empty where nobody has set a layout yet. */
  async get(): Promise<Pick<KeyboardMap, 'layout' | 'variant'>> {
    const { client, root } = this.#display;
    // What setxkbmap writes and reads: rules, model, layout, variant and options, each ended by a zero.
    const property = await this.#display.atom('_XKB_RULES_NAMES');
    const { data } = await this.#display.ask<{ data: Buffer }>((done) =>
      client.GetProperty(0, root, property, STRING_ATOM, 0, RULES_MAX_BYTES / 4, done),
    );
    const [, , layout = '', variant = ''] = data.toString('latin1').split('\0');
    return { layout, variant };
  }

  /** Resolves once it is in effect. Rejects when there is no such layout or variant, and nothing is changed then. */
  set(map: Pick<KeyboardMap, 'layout' | 'variant'>): Promise<void> {
    const done = this.#setting.then(async () => {
      // The words are arguments of their own, never options: each follows one.
      await run('setxkbmap', ['-layout', map.layout, '-variant', map.variant], {
        env: this.#env,
        timeout: SET_TIMEOUT_MS,
      });
      await this.#display.sync();
    });
    this.#setting = done.catch(() => undefined);
    return done;
  }
}
