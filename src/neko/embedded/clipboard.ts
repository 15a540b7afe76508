// One of the desktop's selections, the CLIPBOARD or the PRIMARY, as its owner and as a reader. ICCCM 2.0, section 2.
import x11 from 'x11';
import type { XEvent } from 'x11';
import type { Logger } from 'pino';
import type { XDisplay } from './x11.ts';

/** A longer text is neither taken from a client nor read from the desktop. */
export const CLIPBOARD_MAX_BYTES = 1_048_576;
/** A larger picture is not read. */
const IMAGE_MAX_BYTES = 32 * 1_048_576;
// An owner that doesn't answer (a stopped program) must not hold up the next reader.
const ANSWER_TIMEOUT_MS = 2000;
// A property is read and written in parts, well under the 256 KiB of a request without the BIG-REQUESTS extension.
const PART_BYTES = 131_072;

const OWNER_CHANGES = 1 | 2 | 4;
const REPLACE = 0;
const APPEND = 2;
const NEW_VALUE = 0;
const ANY_TYPE = 0;
const ATOM_TYPE = 4;
const INPUT_ONLY = 2;

/** Why nothing can be read: nobody has anything of that kind, the owner doesn't answer, or it is too long. */
export class ClipboardError extends Error {
  readonly reason: 'empty' | 'silent' | 'too-long';

  constructor(reason: ClipboardError['reason'], message: string) {
    super(message);
    this.name = 'ClipboardError';
    this.reason = reason;
  }
}

interface Atoms {
  SELECTION: number;
  TARGETS: number;
  UTF8_STRING: number;
  INCR: number;
  PLAIN: number;
  PNG: number;
  /** The property of our window that owners write to. */
  ANSWER: number;
}

/** What to ask the clipboard's owner for. */
interface Wanted {
  target: number;
  maxBytes: number;
}

type SelectionRequest = Extract<XEvent, { name: 'SelectionRequest' }>;

export class Clipboard {
  readonly #display: XDisplay;
  readonly #atoms: Atoms;
  readonly #window: number;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #stops: (() => void)[];
  /** The text that we give while we are the owner. */
  #text: Buffer = Buffer.alloc(0);
  #isOwner = false;
  #reading: Promise<unknown> = Promise.resolve();

  static async open(
    display: XDisplay,
    logger: Logger,
    selection: 'CLIPBOARD' | 'PRIMARY' = 'CLIPBOARD',
  ): Promise<Clipboard> {
    const [SELECTION, TARGETS, UTF8_STRING, INCR, PLAIN, PNG, ANSWER] = await Promise.all([
      display.atom(selection),
      display.atom('TARGETS'),
      display.atom('UTF8_STRING'),
      display.atom('INCR'),
      display.atom('text/plain;charset=utf-8'),
      display.atom('image/png'),
      display.atom('NEKO_CLIPBOARD'),
    ]);
    return new Clipboard(display, { SELECTION, TARGETS, UTF8_STRING, INCR, PLAIN, PNG, ANSWER }, logger);
  }

  private constructor(display: XDisplay, atoms: Atoms, logger: Logger) {
    this.#display = display;
    this.#atoms = atoms;
    this.#logger = logger;
    const { client, root, xfixes } = display;
    this.#window = client.AllocID();
    client.CreateWindow(this.#window, root, 0, 0, 1, 1, 0, 0, INPUT_ONLY, 0, {
      eventMask: x11.eventMask.PropertyChange,
    });
    xfixes.SelectSelectionInput(this.#window, atoms.SELECTION, OWNER_CHANGES);
    this.#stops = [
      display.on('SelectionRequest', (request) => this.#answer(request)),
      display.on('SelectionNotify', (event) => {
        // XFIXES calls a change of owner by the same name as the core protocol calls an answer, which has a requestor.
        if (event.requestor !== undefined || event.selection !== atoms.SELECTION) return;
        this.#isOwner = event.owner === this.#window;
        for (const listener of this.#listeners) listener();
      }),
    ];
  }

  /** Calls `listener` whenever the clipboard has a new owner, us included, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Puts a text on the clipboard. Throws RangeError when it is longer than CLIPBOARD_MAX_BYTES. */
  async setText(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    if (bytes.length > CLIPBOARD_MAX_BYTES)
      throw new RangeError(`a clipboard text of ${bytes.length} bytes is too long`);
    this.#text = bytes;
    const { client } = this.#display;
    this.#display.tell(() => client.SetSelectionOwner(this.#window, this.#atoms.SELECTION, 0));
    await this.#display.sync();
  }

  /** The text on the clipboard. @throws ClipboardError */
  getText(): Promise<string> {
    const { UTF8_STRING } = this.#atoms;
    const text = this.#inTurn(async () =>
      this.#isOwner ? this.#text : this.#read({ target: UTF8_STRING, maxBytes: CLIPBOARD_MAX_BYTES }),
    );
    return text.then((bytes) => bytes.toString('utf8'));
  }

  /** The picture on the clipboard, as PNG. Rejects when there is none, its owner doesn't answer, or it is too large. */
  getImage(): Promise<Buffer> {
    return this.#inTurn(() => this.#read({ target: this.#atoms.PNG, maxBytes: IMAGE_MAX_BYTES }));
  }

  close(): void {
    this.#closing.abort();
    for (const stop of this.#stops) stop();
    this.#listeners.clear();
  }

  /** One at a time: all answers come to the same property of the same window. */
  #inTurn(read: () => Promise<Buffer>): Promise<Buffer> {
    const bytes = this.#reading.then(read);
    this.#reading = bytes.catch(() => undefined);
    return bytes;
  }

  async #read({ target, maxBytes }: Wanted): Promise<Buffer> {
    const { client } = this.#display;
    const { SELECTION, ANSWER, INCR } = this.#atoms;
    using answers = new Answers(this.#display, this.#window, ANSWER, this.#closing.signal);
    client.DeleteProperty(this.#window, ANSWER);
    client.ConvertSelection(this.#window, SELECTION, target, ANSWER, 0);
    if (!(await answers.converted()))
      throw new ClipboardError('empty', 'there is nothing of that kind on the clipboard');
    const first = await this.#takeProperty(maxBytes);
    if (first.type !== INCR) return first.bytes;
    // The owner gives a long text in parts, each when the one before has been taken; an empty one ends it.
    const parts: Buffer[] = [];
    for (let total = 0; ;) {
      await answers.nextPart();
      const part = await this.#takeProperty(maxBytes);
      if (part.bytes.length === 0) return Buffer.concat(parts);
      total += part.bytes.length;
      if (total > maxBytes) throw new ClipboardError('too-long', 'what is on the clipboard is too long');
      parts.push(part.bytes);
    }
  }

  /** Reads the property to its end and deletes it. */
  async #takeProperty(maxBytes: number): Promise<{ type: number; bytes: Buffer }> {
    const { client } = this.#display;
    const parts: Buffer[] = [];
    for (let offset = 0; ;) {
      const at = offset;
      const part = await this.#display.ask<{ type: number; bytesAfter: number; data: Buffer }>((done) =>
        client.GetProperty(1, this.#window, this.#atoms.ANSWER, ANY_TYPE, at / 4, PART_BYTES / 4, done),
      );
      parts.push(part.data);
      offset += part.data.length;
      if (offset > maxBytes) throw new ClipboardError('too-long', 'what is on the clipboard is too long');
      if (part.bytesAfter === 0) return { type: part.type, bytes: Buffer.concat(parts) };
    }
  }

  #answer(request: SelectionRequest): void {
    if (request.owner !== this.#window) return;
    const { client } = this.#display;
    const property = request.property === 0 ? request.target : request.property;
    const given = this.#give(request, property);
    this.#logger.trace({ target: request.target, given }, 'the clipboard was asked for');
    this.#display.tell(() =>
      client.SendEvent(request.requestor, 0, 0, {
        name: 'SelectionNotify',
        time: request.time,
        requestor: request.requestor,
        selection: request.selection,
        target: request.target,
        property: given ? property : 0,
      }),
    );
  }

  #give(request: SelectionRequest, property: number): boolean {
    const { client } = this.#display;
    const { TARGETS, UTF8_STRING, PLAIN } = this.#atoms;
    if (request.target === TARGETS) {
      const targets = [TARGETS, UTF8_STRING, PLAIN];
      this.#display.tell(() => client.ChangeProperty(REPLACE, request.requestor, property, ATOM_TYPE, 32, targets));
      return true;
    }
    if (request.target !== UTF8_STRING && request.target !== PLAIN) return false;
    for (let at = 0; at === 0 || at < this.#text.length; at += PART_BYTES) {
      const part = this.#text.subarray(at, at + PART_BYTES);
      const mode = at === 0 ? REPLACE : APPEND;
      this.#display.tell(() => client.ChangeProperty(mode, request.requestor, property, request.target, 8, part));
    }
    return true;
  }
}

/** What an owner sends while one conversion goes on; each wait has a limit. */
class Answers implements Disposable {
  readonly #stops: (() => void)[];
  readonly #closed: AbortSignal;
  readonly #converted = Promise.withResolvers<boolean>();
  #parts = 0;
  #partCame: (() => void) | undefined;

  constructor(display: XDisplay, window: number, property: number, closed: AbortSignal) {
    this.#closed = closed;
    this.#stops = [
      display.on('SelectionNotify', (event) => {
        if (event.requestor === window) this.#converted.resolve(event.property !== 0);
      }),
      display.on('PropertyNotify', (event) => {
        if (event.wid !== window || event.atom !== property || event.state !== NEW_VALUE) return;
        this.#parts += 1;
        this.#partCame?.();
      }),
    ];
  }

  async converted(): Promise<boolean> {
    const converted = await this.#within(this.#converted.promise);
    // The property was written before the owner said so.
    this.#parts = 0;
    return converted;
  }

  async nextPart(): Promise<void> {
    if (this.#parts === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#partCame = resolve;
      await this.#within(promise);
    }
    this.#parts -= 1;
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
  }

  async #within<T>(answer: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const limit = AbortSignal.any([this.#closed, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    const giveUp = (): void => reject(new ClipboardError('silent', 'the clipboard’s owner does not answer'));
    limit.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([answer, late]);
    } finally {
      limit.removeEventListener('abort', giveUp);
    }
  }
}
