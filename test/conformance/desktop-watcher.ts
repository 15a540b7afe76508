// oxlint-disable-next-line typescript/triple-slash-reference -- the package brings no types, and no import brings ours
/// <reference path="../../src/neko/embedded/x11-package.d.ts" />
// What arrives at the X server, seen by a client of the tests' own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import x11, { type Client } from 'x11';
import { z } from 'zod';
import type { Xvnc } from '../harness/xvnc.ts';

const COOKIE_BYTES = 16;
const INPUT_ONLY = 2;
const KEY_PRESS = 0x01;
const KEY_RELEASE = 0x02;
const BUTTON_PRESS = 0x04;
const BUTTON_RELEASE = 0x08;
const SHIFT = 0x01;
const CONTROL = 0x04;

const Position = { rootx: z.int(), rooty: z.int(), buttons: z.int() };
const InputEvent = z.discriminatedUnion('name', [
  z.looseObject({ name: z.enum(['KeyPress', 'KeyRelease']), keycode: z.int(), ...Position }),
  z.looseObject({ name: z.enum(['ButtonPress', 'ButtonRelease']), keycode: z.int(), ...Position }),
]);
type InputEvent = z.infer<typeof InputEvent>;

/** An X client whose window covers the screen and keeps the keys and buttons that it gets. */
export class DesktopWatcher implements AsyncDisposable {
  readonly #client: Client;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #root: number;
  readonly #minKeycode: number;
  readonly #maxKeycode: number;
  #events: InputEvent[] = [];

  static async open(xvnc: Xvnc): Promise<DesktopWatcher> {
    const authority = await readFile(xvnc.env.XAUTHORITY);
    const options = {
      display: xvnc.display,
      shm: false,
      auth: { name: 'MIT-MAGIC-COOKIE-1', data: authority.subarray(-COOKIE_BYTES).toString('latin1') },
    };
    return new Promise((resolve, reject) => {
      const client = x11.createClient(options, (error, display) => {
        if (error) reject(error);
        else resolve(new DesktopWatcher(display.client, display, xvnc.env));
        return true;
      });
      client.on('error', reject);
    });
  }

  private constructor(
    client: Client,
    display: { screen: readonly { root: number }[]; min_keycode: number; max_keycode: number },
    environment: Readonly<Record<string, string>>,
  ) {
    this.#client = client;
    this.#environment = environment;
    this.#root = display.screen[0]?.root ?? 0;
    this.#minKeycode = display.min_keycode;
    this.#maxKeycode = display.max_keycode;
    client.on('event', (event: unknown) => {
      const input = InputEvent.safeParse(event);
      if (input.success) this.#events.push(input.data);
    });
    const window = client.AllocID();
    const eventMask = KEY_PRESS | KEY_RELEASE | BUTTON_PRESS | BUTTON_RELEASE;
    client.CreateWindow(window, this.#root, 0, 0, 4000, 4000, 0, 0, INPUT_ONLY, 0, { eventMask });
    client.MapWindow(window);
  }

  /** Where the pointer is now, and which buttons and modifiers are down. */
  async pointer(): Promise<{ x: number; y: number; mask: number }> {
    return new Promise((resolve, reject) => {
      this.#client.QueryPointer(this.#root, (error, reply) => {
        if (error) reject(error);
        else resolve({ x: reply.rootX, y: reply.rootY, mask: reply.keyMask });
        return true;
      });
    });
  }

  /** Keys and buttons since the last call, as `+a` for a press and `-a` for a release, `+button 1` for buttons, `+button 4 with Control`. */
  async input(): Promise<string[]> {
    // Its answer comes after all events before it.
    await this.pointer();
    const events = this.#events.splice(0);
    const keysyms = await this.#keysyms();
    return events.map((event) => {
      const sign = event.name.endsWith('Press') ? '+' : '-';
      if (event.name.startsWith('Button')) {
        return `${sign}button ${event.keycode}${(event.buttons & CONTROL) === 0 ? '' : ' with Control'}`;
      }
      const [plain = 0, shifted = 0] = keysyms[event.keycode - this.#minKeycode] ?? [];
      return `${sign}${keyName((event.buttons & SHIFT) === 0 ? plain : shifted || plain)}`;
    });
  }

  /** A program of the desktop that has the clipboard until it is disposed of. */
  copy(text: string): AsyncDisposable {
    const child = spawn('xclip', ['-selection', 'clipboard', '-in', '-quiet'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...this.#environment, PATH: '/usr/bin:/bin' },
    });
    const ended = once(child, 'exit');
    child.stdin.end(text);
    return {
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM');
        await ended;
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client.terminate();
    return Promise.resolve();
  }

  async #keysyms(): Promise<number[][]> {
    return new Promise((resolve, reject) => {
      const count = this.#maxKeycode - this.#minKeycode + 1;
      this.#client.GetKeyboardMapping(this.#minKeycode, count, (error, keysyms) => {
        if (error) reject(error);
        else resolve(keysyms);
        return true;
      });
    });
  }
}

const KEY_NAMES = new Map([
  [0xffe1, 'Shift'],
  [0xffe3, 'Control'],
  [0xffe9, 'Alt'],
  [0xff0d, 'Return'],
  [0xff09, 'Tab'],
]);

/** Latin letters by themselves, others by number. */
function keyName(keysym: number): string {
  const name = KEY_NAMES.get(keysym);
  if (name !== undefined) return name;
  return keysym > 0x20 && keysym < 0x100 ? String.fromCodePoint(keysym) : `0x${keysym.toString(16)}`;
}
