// One connection to the X server, with promises in place of callbacks.
import type { Client, Damage, Display, RandR, Reply, XError, XEvent, XFixes, Xkb, XTest } from 'x11';
import x11 from 'x11';

// An X server that accepts a connection but doesn't answer is as good as gone.
const OPEN_TIMEOUT_MS = 10_000;

/** NewKeyboardNotify and MapNotify. */
const XKB_MAP_EVENTS = [0, 1];
/** Every part of a keyboard map: types, keysyms, modifiers and so on. */
const XKB_MAP_ALL = 0xff;

type EventNamed<N extends XEvent['name']> = Extract<XEvent, { name: N }>;

/** A connection to an X display. Once it is lost, `lost` resolves with why, and everything asked or awaited rejects. */
export class XDisplay implements AsyncDisposable {
  readonly client: Client;
  readonly root: number;
  readonly keycodes: { first: number; last: number };
  readonly xtest: XTest;
  readonly xfixes: XFixes;
  readonly randr: RandR;
  readonly xkb: Xkb;
  readonly damage: Damage;
  readonly lost: Promise<Error>;
  readonly #waiting = new Set<(reason: Error) => void>();
  #lost: Error | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Connects to `name` (`:N`), with `cookie`, or else the one that XAUTHORITY names, if any. `onError` gets the X errors that
   * no call waits for. Rejects when the server cannot be reached, refuses us or lacks XTEST, XFIXES, RANDR, XKEYBOARD or DAMAGE.
   */
  static async open(name: string, onError: (error: XError) => void, cookie?: Buffer): Promise<XDisplay> {
    const opened = new OpeningClient(name, onError, cookie);
    try {
      const display = await within(OPEN_TIMEOUT_MS, `X display ${name} does not answer`, opened.display);
      const { client } = display;
      const extensions = await within(OPEN_TIMEOUT_MS, `X display ${name} does not answer`, openExtensions(client));
      return new XDisplay(display, extensions, opened.lost);
    } catch (cause) {
      opened.end();
      throw new Error(`cannot use X display ${name}: ${cause instanceof Error ? cause.message : 'unknown'}`, { cause });
    }
  }

  private constructor(display: Display, extensions: Extensions, lost: Promise<Error>) {
    const [screen] = display.screen;
    if (screen === undefined) throw new Error('it has no screen');
    this.client = display.client;
    this.root = screen.root;
    this.keycodes = { first: display.min_keycode, last: display.max_keycode };
    this.xtest = extensions.xtest;
    this.xfixes = extensions.xfixes;
    this.randr = extensions.randr;
    this.xkb = extensions.xkb;
    this.damage = extensions.damage;
    this.lost = lost.then((reason) => {
      this.#lost = reason;
      for (const reject of this.#waiting) reject(reason);
      this.#waiting.clear();
      return reason;
    });
  }

  /** Sends one request and resolves with its reply. Rejects with the X error, or when the connection is lost. */
  ask<T>(send: (done: Reply<T>) => void): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      send((error, value) => {
        this.#waiting.delete(reject);
        if (error) reject(error);
        else resolve(value);
        return true;
      });
    });
  }

  /** Sends requests that have no reply; nothing happens once the connection is lost. */
  tell(send: () => void): void {
    if (this.#lost === undefined) send();
  }

  /** Resolves once the server has done all that was sent so far. */
  async sync(): Promise<void> {
    await this.ask((done) => this.client.GetInputFocus(done));
  }

  /** The atom of a name; the client remembers it. */
  atom(name: string): Promise<number> {
    return this.ask((done) => this.client.InternAtom(false, name, done));
  }

  /** Calls `listener` for each event of that name until the returned function is called. */
  on<N extends XEvent['name']>(name: N, listener: (event: EventNamed<N>) => void): () => void {
    const receive = (event: XEvent): void => {
      if (isNamed(event, name)) listener(event);
    };
    this.client.on('event', receive);
    return () => this.client.removeListener('event', receive);
  }

  /** Calls `listener` whenever the keyboard map is another one, whoever changed it, until the returned function is called. */
  onKeyboardMap(listener: () => void): () => void {
    const stops = [
      this.on('MappingNotify', listener),
      this.on('XkbEvent', ({ xkbType }) => {
        if (XKB_MAP_EVENTS.includes(xkbType)) listener();
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#lost !== undefined) return;
    // Nothing more is asked: what is written behind the end would count as a failure of the connection.
    this.#lost = new Error('the X connection is closed');
    this.client.terminate();
    await this.lost;
  }
}

interface Extensions {
  xtest: XTest;
  xfixes: XFixes;
  randr: RandR;
  xkb: Xkb;
  damage: Damage;
}

async function openExtensions(client: Client): Promise<Extensions> {
  const [xtest, xfixes, randr, xkb, damage] = await Promise.all([
    ask<XTest>((done) => client.require('xtest', done)),
    ask<XFixes>((done) => client.require('fixes', done)),
    ask<RandR>((done) => client.require('randr', done)),
    ask<Xkb>((done) => client.require('xkb', done)),
    ask<Damage>((done) => client.require('damage', done)),
  ]);
  // The server takes no other XKB request from who hasn't said this.
  await ask((done) => xkb.UseExtension(1, 0, done));
  // And it tells who has said so of a changed keyboard map by these events only (found with neko's changes, on Xvnc 1.12).
  const mapEvents = xkb.EventType.NewKeyboardNotify | xkb.EventType.MapNotify;
  xkb.SelectEvents(xkb.UseCoreKbd, mapEvents, 0, mapEvents, XKB_MAP_ALL, XKB_MAP_ALL);
  return { xtest, xfixes, randr, xkb, damage };
}

/** A connection being made; watched from the first moment, since a client without an 'error' listener throws. */
class OpeningClient {
  readonly display: Promise<Display>;
  readonly lost: Promise<Error>;
  readonly #client: Client;

  constructor(name: string, onError: (error: XError) => void, cookie: Buffer | undefined) {
    const opening = Promise.withResolvers<Display>();
    const lost = Promise.withResolvers<Error>();
    // Shared memory would need a helper that passes file descriptors; a screenshot is fast enough without.
    const auth = cookie && { name: 'MIT-MAGIC-COOKIE-1', data: cookie.toString('latin1') };
    this.#client = x11.createClient({ display: name, shm: false, ...(auth && { auth }) }, (error, display) => {
      if (error) opening.reject(error);
      else opening.resolve(display);
      return true;
    });
    this.#client.on('error', (error) => {
      opening.reject(error);
      if (error.error === undefined) lost.resolve(new Error(`the X connection failed: ${error.message}`));
      else onError(error);
    });
    this.#client.on('end', () => {
      opening.reject(new Error('it closed the connection'));
      lost.resolve(new Error('the X server closed the connection'));
    });
    this.display = opening.promise;
    this.lost = lost.promise;
    this.display.catch(() => {
      // Reported by whoever awaits it; this only keeps it from being unhandled in between.
    });
  }

  end(): void {
    // Before the socket is there, there is nothing to end.
    if (this.#client.stream !== undefined) this.#client.stream.destroy();
  }
}

function isNamed<N extends XEvent['name']>(event: XEvent, name: N): event is EventNamed<N> {
  return event.name === name;
}

function ask<T>(send: (done: Reply<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    send((error, value) => {
      if (error) reject(error);
      else resolve(value);
      return true;
    });
  });
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
