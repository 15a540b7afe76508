import type { Logger } from 'pino';
import type { InputEvent } from '../../input/data-channel.ts';
import { Keyboard } from './keyboard.ts';
import type { XDisplay } from './x11.ts';

// Beyond it further input is dropped until the X server has caught up; releases are never dropped.
const QUEUE_MAX = 4096;
// A message may ask for 32767 wheel steps; more than this in one is cut.
const SCROLL_STEPS_MAX = 100;
const BUTTON_MAX = 32;
const CONTROL_MASK = 1 << 2;
const LEFT_BUTTON = 1;
// Of all buttons the pointer's state shows the first five.
const MASKED_BUTTONS = 5;
const BUTTON_1_BIT = 8;
// All eight but Lock and Mod2, which is NumLock.
const HELD_MODIFIERS = 0xff & ~(1 << 1) & ~(1 << 4);

type DesktopInput = Exclude<InputEvent, { type: 'ping' }>;

/**
 * What the host's input does on the desktop: motion, buttons, wheel and keys by XTEST, in the order in which they came.
 * Touch does something only where it is switched on, as `touch_events` in system/init says.
 */
export class DesktopInputs {
  readonly #display: XDisplay;
  readonly #logger: Logger;
  readonly #keyboard: Keyboard;
  readonly #hasTouch: boolean;
  readonly #buttons = new Set<number>();
  #tail: Promise<void> = Promise.resolve();
  #queued = 0;
  #dropping = false;
  #finger: number | undefined;

  constructor(display: XDisplay, { hasTouch }: { hasTouch: boolean }, logger: Logger) {
    this.#hasTouch = hasTouch;
    this.#display = display;
    this.#logger = logger;
    this.#keyboard = new Keyboard(display);
  }

  /** Queues one event. */
  handle(event: DesktopInput): void {
    const isRelease = (event.type === 'key' || event.type === 'button') && !event.down;
    if (this.#queued >= QUEUE_MAX && !isRelease) {
      if (!this.#dropping) this.#logger.warn(`more than ${QUEUE_MAX} input events wait for the X server; dropping`);
      this.#dropping = true;
      return;
    }
    this.#dropping = false;
    this.#enqueue(() => this.#apply(event));
  }

  /** neko's press: all else is released, the keys go down in order, and all up again. */
  pressKeys(keysyms: readonly number[]): void {
    this.#enqueue(async () => {
      this.#releaseAll();
      for (const keysym of keysyms) await this.#keyboard.press(keysym);
      this.#releaseAll();
    });
  }

  /** neko's button press: all else is released, the button goes down and up. */
  pressButton(button: number): void {
    this.#enqueue(() => {
      this.#releaseAll();
      this.#pressButton(button);
      this.#releaseAll();
    });
  }

  /** Releases every key and button that is still down, and unlocks what only a held key should keep; at once where nothing waits. */
  releaseAll(): void {
    const release = (): void => {
      this.#releaseAll();
      this.#unlockHeldModifiers();
    };
    if (this.#queued === 0) release();
    else this.#enqueue(release);
  }

  /**
   * Releases whatever is down on the display, of which we can have pressed nothing: a streamer that was killed leaves
   * its keys and buttons down, and the X server repeats them for ever.
   */
  async releaseStuck(): Promise<void> {
    const { client, root, xtest } = this.#display;
    const [keys, { keyMask }] = await Promise.all([
      this.#display.ask<Buffer>((done) => client.QueryKeymap(done)),
      this.#display.ask<{ keyMask: number }>((done) => client.QueryPointer(root, done)),
    ]);
    for (let keycode = 0; keycode < keys.length * 8; keycode += 1) {
      if (((keys[keycode >> 3] ?? 0) >> (keycode & 7)) & 1) this.#fake(xtest.KeyRelease, keycode);
    }
    for (let button = 1; button <= MASKED_BUTTONS; button += 1) {
      if ((keyMask >> (BUTTON_1_BIT + button - 1)) & 1) this.#fake(xtest.ButtonRelease, button);
    }
    this.#unlockHeldModifiers();
    await this.#display.sync();
  }

  /** Resolves once the X server has done all input that came before; rejects when it is gone. */
  async settled(): Promise<void> {
    await this.#tail;
    await this.#display.sync();
  }

  /** Releases what is down and stops watching the keyboard map. */
  async close(): Promise<void> {
    this.releaseAll();
    await this.#tail;
    this.#keyboard.close();
  }

  #enqueue(work: () => void | Promise<void>): void {
    this.#queued += 1;
    this.#tail = this.#tail.then(work).then(
      () => {
        this.#queued -= 1;
      },
      (error: unknown) => {
        this.#queued -= 1;
        this.#logger.warn({ err: error }, 'input failed');
      },
    );
  }

  #apply(event: DesktopInput): void | Promise<void> {
    switch (event.type) {
      case 'move':
        return this.#fake(this.#display.xtest.MotionNotify, 0, { x: event.x, y: event.y });
      case 'scroll':
        return this.#scroll(event);
      case 'key':
        return event.down ? this.#keyboard.press(event.keysym) : this.#keyboard.release(event.keysym);
      case 'button':
        return event.down ? this.#pressButton(event.button) : this.#releaseButton(event.button);
      case 'touch':
        return this.#touch(event);
      default:
        throw new Error(`unreachable: ${JSON.stringify(event satisfies never)}`);
    }
  }

  /** XTEST knows no touch: the first finger is the pointer with its left button down, and others are not seen. */
  #touch(event: Extract<InputEvent, { type: 'touch' }>): void {
    if (!this.#hasTouch) return;
    if (event.phase === 'begin') this.#finger ??= event.touchId;
    if (this.#finger !== event.touchId) return;
    const at = { x: Math.max(0, event.x), y: Math.max(0, event.y) };
    this.#fake(this.#display.xtest.MotionNotify, 0, at);
    if (event.phase === 'begin') this.#pressButton(LEFT_BUTTON);
    if (event.phase !== 'end') return;
    this.#releaseButton(LEFT_BUTTON);
    this.#finger = undefined;
  }

  #scroll(event: Extract<InputEvent, { type: 'scroll' }>): void {
    // As neko does: in effect without its key going down, which programs would take for a key.
    if (event.controlKey) this.#lockModifiers(CONTROL_MASK, CONTROL_MASK);
    // neko's signs: up is 4, down 5; positive x is 6, negative 7.
    this.#turn(event.deltaY > 0 ? 4 : 5, Math.abs(event.deltaY));
    this.#turn(event.deltaX > 0 ? 6 : 7, Math.abs(event.deltaX));
    if (event.controlKey) this.#lockModifiers(CONTROL_MASK, 0);
  }

  #turn(button: number, steps: number): void {
    for (let step = 0; step < Math.min(steps, SCROLL_STEPS_MAX); step += 1) {
      this.#fake(this.#display.xtest.ButtonPress, button);
      this.#fake(this.#display.xtest.ButtonRelease, button);
    }
  }

  #pressButton(button: number): void {
    if (button < 1 || button > BUTTON_MAX || this.#buttons.has(button)) return;
    this.#buttons.add(button);
    this.#fake(this.#display.xtest.ButtonPress, button);
  }

  #releaseButton(button: number): void {
    if (this.#buttons.delete(button)) this.#fake(this.#display.xtest.ButtonRelease, button);
  }

  /** Caps Lock and NumLock stay as they are. */
  #unlockHeldModifiers(): void {
    this.#lockModifiers(HELD_MODIFIERS, 0);
  }

  #lockModifiers(affected: number, locked: number): void {
    const { xkb } = this.#display;
    this.#display.tell(() => xkb.LatchLockState(xkb.UseCoreKbd, affected, locked, false, 0, 0, 0, false, 0));
  }

  #releaseAll(): void {
    this.#finger = undefined;
    for (const button of this.#buttons) this.#releaseButton(button);
    this.#keyboard.releaseAll();
  }

  #fake(type: number, detail: number, at: { x: number; y: number } = { x: 0, y: 0 }): void {
    const { xtest, root } = this.#display;
    // X coordinates are 16 bits with sign; a message may say up to 65535.
    const x = Math.min(at.x, 0x7fff);
    const y = Math.min(at.y, 0x7fff);
    this.#display.tell(() => xtest.FakeInput(type, detail, 0, type === xtest.MotionNotify ? root : 0, x, y));
  }
}
