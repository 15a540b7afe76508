import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import type { Base, Known } from './plan.ts';
import { ENTRIES_MAX } from './tree.ts';

/** Whose memory it is, and of which copy: its first line. */
export const MemoryHead = z.strictObject({
  version: z.literal(1),
  root: z.string(),
  only: z.string().optional(),
  remoteRoot: z.string(),
  /** Lies beside the copy too: of another copy in its place nothing is known. */
  copyId: z.string(),
  isTwoWay: z.boolean(),
});
export type MemoryHead = z.infer<typeof MemoryHead>;

/** A line for each change: what is known of a path now, or nothing any more. */
const Line = z.union([z.tuple([z.string(), z.string(), z.string(), z.string()]), z.tuple([z.string()])]);

/** A longer file is not read: 200,000 paths of a usual length, twice. */
const FILE_MAX_BYTES = 128 * 1024 * 1024;
/** The file is written anew when it has this many lines more than paths, and twice as many. */
const LINES_SPARE = 10_000;

/**
 * What both sides had when they were last the same, in a file that outlives the proxy (mode 0600). Every change is a line more, so one that is killed
 * forgets at most what it did last, which looks like a change made on both sides then; what isn't whole or is another's counts as nothing.
 */
export class Memory {
  readonly #file: string;
  readonly #log: Logger;
  readonly #known = new Map<string, Known>();
  readonly #unsure = new Set<string>();
  #head: MemoryHead | undefined;
  #waiting: string[] = [];
  #lines = 0;
  /** Else the next write is of all. */
  #isWritten = false;
  #writing: Promise<void> | undefined;
  #complaint: string | undefined;

  private constructor(file: string, log: Logger) {
    this.#file = file;
    this.#log = log;
  }

  static async open(file: string, log: Logger): Promise<Memory> {
    const memory = new Memory(file, log);
    await memory.#read();
    return memory;
  }

  get known(): Base {
    return this.#known;
  }

  /** Paths of which a sum is known, for their prints don't tell. */
  get unsure(): ReadonlySet<string> {
    return this.#unsure;
  }

  get head(): MemoryHead | undefined {
    return this.#head;
  }

  /** Keeps what is known only when it is of the same place and copy. */
  begin(head: MemoryHead): void {
    const before = this.#head;
    const isOfIt = before !== undefined && isDeepStrictEqual({ ...before, isTwoWay: head.isTwoWay }, head);
    if (isOfIt && before.isTwoWay === head.isTwoWay) return;
    if (!isOfIt && this.#known.size > 0) {
      this.#log.warn(`${this.#file} remembers another copy of ${head.root}; what one side lacks comes from the other`);
      this.#forgetAll();
    }
    this.#head = head;
    this.#isWritten = false;
    this.#write();
  }

  set(path: string, known: Known): void {
    this.#take(path, known);
    this.#say([path, known.local, known.remote, known.sum]);
  }

  delete(path: string): void {
    if (!this.#known.has(path)) return;
    this.#take(path, undefined);
    this.#say([path]);
  }

  /** Resolves once all that is known is written, or could not be. */
  async idle(): Promise<void> {
    if (!this.#isWritten && this.#head !== undefined) this.#write();
    await this.#writing;
  }

  /** Forgets all, on disk too. */
  async remove(): Promise<void> {
    await this.#writing;
    this.#forgetAll();
    this.#head = undefined;
    this.#waiting = [];
    await rm(this.#file, { force: true });
  }

  #take(path: string, known: Known | undefined): void {
    this.#unsure.delete(path);
    if (known === undefined) this.#known.delete(path);
    else this.#known.set(path, known);
    if (known !== undefined && known.sum !== '') this.#unsure.add(path);
  }

  #forgetAll(): void {
    this.#known.clear();
    this.#unsure.clear();
  }

  #say(line: z.infer<typeof Line>): void {
    // After a failure `idle` writes all.
    if (this.#complaint !== undefined) return;
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    this.#write();
  }

  #write(): void {
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeWaiting(): Promise<void> {
    // All that comes at once is one write.
    await Promise.resolve();
    while (this.#head !== undefined && (this.#waiting.length > 0 || !this.#isWritten)) {
      const isSpare = this.#lines > 2 * this.#known.size + LINES_SPARE;
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#isWritten && !isSpare) await appendFile(this.#file, lines.join(''), { mode: FILE_MODE });
        else await this.#writeAll(this.#head);
        this.#lines = this.#isWritten && !isSpare ? this.#lines + lines.length : this.#known.size;
        this.#isWritten = true;
        this.#complaint = undefined;
      } catch (error) {
        await this.#giveUp(error);
        return;
      }
    }
  }

  async #writeAll(head: MemoryHead): Promise<void> {
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
    const news = `${this.#file}.new`;
    await rm(news, { force: true });
    await using file = await open(news, 'wx', FILE_MODE);
    let text = `${JSON.stringify(head)}\n`;
    for (const [path, { local, remote, sum }] of this.#known) {
      text += `${JSON.stringify([path, local, remote, sum])}\n`;
      if (text.length < WRITE_LENGTH) continue;
      await file.appendFile(text);
      text = '';
    }
    await file.appendFile(text);
    await rename(news, this.#file);
  }

  /** What is half known would be believed. The next sync tries to write all. */
  async #giveUp(cause: unknown): Promise<void> {
    this.#isWritten = false;
    await Promise.allSettled([rm(this.#file, { force: true }), rm(`${this.#file}.new`, { force: true })]);
    const complaint = `${this.#file} could not be written: ${messageOf(cause)}; what is in step is not remembered`;
    if (complaint !== this.#complaint) this.#log.warn({ err: cause }, complaint);
    this.#complaint = complaint;
  }

  async #read(): Promise<void> {
    try {
      const text = await readBounded(this.#file);
      if (text === undefined) return;
      const lines = text.split('\n');
      // The last one has no end when the writer was killed.
      const isCut = lines.pop() !== '';
      const [head, ...rest] = lines;
      this.#head = MemoryHead.parse(JSON.parse(head ?? ''));
      for (const line of rest) {
        const entry = Line.parse(JSON.parse(line));
        if (entry.length === 1) this.#take(entry[0], undefined);
        else this.#take(entry[0], { local: entry[1], remote: entry[2], sum: entry[3] });
      }
      if (this.#known.size > ENTRIES_MAX) throw new Error(`more than ${ENTRIES_MAX} paths`);
      this.#lines = rest.length;
      this.#isWritten = !isCut;
    } catch (error) {
      this.#head = undefined;
      this.#forgetAll();
      this.#log.warn(
        { err: error },
        `${this.#file} is not readable, and dropped; what one side lacks comes from the other`,
      );
    }
  }
}

const FILE_MODE = 0o600;
const MEMORY_END = '.jsonl';
/** Two paths of the greatest length. */
const HEAD_MAX_BYTES = 16 * 1024;
const WRITE_LENGTH = 1024 * 1024;

/** Where the memory of a copy lies. */
export function memoryFile(dir: string, remoteRoot: string): string {
  return join(dir, createHash('sha256').update(remoteRoot).digest('hex').slice(0, 32) + MEMORY_END);
}

/** undefined when there is none. */
async function readBounded(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > FILE_MAX_BYTES) throw new Error(`longer than ${FILE_MAX_BYTES} bytes`);
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of which places there is a memory. */
export async function listMemories(dir: string): Promise<MemoryHead[]> {
  const names = await readdir(dir).catch(() => []);
  const heads = await Promise.all(
    names.filter((name) => name.endsWith(MEMORY_END)).map((name) => readHead(join(dir, name))),
  );
  return heads.filter((head) => head !== undefined);
}

async function readHead(path: string): Promise<MemoryHead | undefined> {
  try {
    await using file = await open(path, 'r');
    const piece = Buffer.alloc(HEAD_MAX_BYTES);
    const { bytesRead } = await file.read(piece, 0, HEAD_MAX_BYTES, 0);
    const [line = ''] = piece.toString('utf8', 0, bytesRead).split('\n');
    return MemoryHead.parse(JSON.parse(line));
  } catch {
    // Whoever opens it says what is wrong with it.
    return undefined;
  }
}
