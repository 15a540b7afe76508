import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { freeChunk } from './direct.ts';

/** A client's frame has at most so many bytes before its payload (RFC 6455, 5.2). */
const HEADER_MAX_BYTES = 14;
const OPCODE_CONTINUATION = 0;
const OPCODE_BINARY = 2;
const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const MASK_BYTES = 4;

/** Takes the payload of binary frames as it comes, in parts of what was read, none of them empty; calls `release` once it needs them no more. */
export type TakeBytes = (parts: readonly Uint8Array[], length: number, release: () => void) => void;

const shunts = new WeakMap<WebSocket, Shunt>();

/** From now on what comes in binary frames goes to `take`; not where the WebSocket has no shunt. Empty frames stay messages of it. */
export function takeBinary(socket: WebSocket, take: TakeBytes): void {
  shunts.get(socket)?.divert(take);
}

/** How many bytes were led past the WebSocket so far, of which it tells nothing. */
export function takenBytes(socket: WebSocket): number {
  return shunts.get(socket)?.takenBytes ?? 0;
}

/**
 * Stands between an accepted connection and its WebSocket, and can lead the payload of binary frames past it: `ws` puts each frame
 * together in memory of its own before it tells it, which for a stream of bytes takes most of the time. All else, and what the WebSocket is
 * to refuse, reaches it as it is. While the WebSocket is paused nothing is read.
 */
export class Shunt extends Duplex {
  readonly #connection: Duplex;
  readonly #header = Buffer.alloc(HEADER_MAX_BYTES);
  #headerLength = 0;
  /** Of the frame that has begun. */
  #left = 0;
  #isDiverted = false;
  #mask: Uint8Array | undefined;
  #maskAt = 0;
  /** Whether the message that has begun, maybe in several frames, is diverted. */
  #isMessageDiverted = false;
  #take: TakeBytes | undefined;
  #takenBytes = 0;

  constructor(connection: Duplex) {
    super();
    this.#connection = connection;
    connection
      .on('data', (chunk: Buffer) => this.#read(chunk))
      .on('end', () => this.push(null))
      .on('error', (error) => this.destroy(error))
      .on('close', () => this.destroy());
  }

  /** Of the WebSocket that reads and writes this. */
  serve(socket: WebSocket): void {
    shunts.set(socket, this);
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  divert(take: TakeBytes): void {
    this.#take = take;
  }

  override pause(): this {
    this.#connection.pause();
    return super.pause();
  }

  override resume(): this {
    super.resume();
    this.#connection.resume();
    return this;
  }

  override _read(): void {
    if (!this.isPaused()) this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#connection.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#connection.cork();
    for (const [index, { chunk }] of chunks.entries())
      if (index < chunks.length - 1) this.#connection.write(chunk);
      else this.#connection.write(chunk, done);
    this.#connection.uncork();
  }

  override _final(done: () => void): void {
    this.#connection.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.destroy();
    done(error);
  }

  #read(chunk: Buffer): void {
    let parts: Uint8Array[] = [];
    let isOurs = true;
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const part = chunk.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        if (this.#isDiverted) parts.push(this.#unmask(part));
        else {
          isOurs = false;
          this.#pass(part);
        }
        continue;
      }
      at = this.#readHeader(chunk, at);
      if (!this.#isHeaderWhole) break;
      this.#begin();
      if (this.#isDiverted) continue;
      // In order: a close or an empty frame means that all before it has come.
      this.#hand(parts, () => undefined);
      parts = [];
      isOurs = false;
      this.#pass(Buffer.from(this.#header.subarray(0, this.#headerLength)));
    }
    this.#hand(parts, () => {
      if (isOurs) freeChunk(chunk);
    });
  }

  #hand(parts: readonly Uint8Array[], release: () => void): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#takenBytes += length;
    if (length > 0) this.#take?.(parts, length, release);
  }

  get #isHeaderWhole(): boolean {
    return this.#headerLength === headerLengthOf(this.#header, this.#headerLength);
  }

  /** As far as the chunk has it. @returns where the rest begins */
  #readHeader(chunk: Buffer, from: number): number {
    if (this.#isHeaderWhole) this.#headerLength = 0;
    let at = from;
    while (at < chunk.length && !this.#isHeaderWhole) this.#header[this.#headerLength++] = chunk[at++] ?? 0;
    return at;
  }

  #begin(): void {
    const header = this.#header.subarray(0, this.#headerLength);
    const [first = 0, second = 0] = header;
    const opcode = first & 0x0f;
    this.#left = payloadLengthOf(header);
    const isPlain = (first & RESERVED) === 0 && (second & MASKED) !== 0 && Number.isSafeInteger(this.#left);
    const isNew = opcode === OPCODE_BINARY && this.#left > 0 && this.#take !== undefined && this.readableLength === 0;
    this.#isDiverted = isPlain && (isNew || (opcode === OPCODE_CONTINUATION && this.#isMessageDiverted));
    if (!this.#isDiverted) return;
    this.#isMessageDiverted = (first & FIN) === 0;
    const mask = header.subarray(-MASK_BYTES);
    this.#mask = mask.some((byte) => byte !== 0) ? Uint8Array.from(mask) : undefined;
    this.#maskAt = 0;
  }

  #pass(bytes: Uint8Array): void {
    if (!this.push(bytes)) this.#connection.pause();
  }

  #unmask(part: Uint8Array): Uint8Array {
    const mask = this.#mask;
    if (!mask) return part;
    for (let index = 0; index < part.length; index++)
      part[index] = (part[index] ?? 0) ^ (mask[(this.#maskAt + index) & 3] ?? 0);
    this.#maskAt = (this.#maskAt + part.length) & 3;
    return part;
  }
}

/** As far as its first bytes tell. */
function headerLengthOf(header: Buffer, known: number): number {
  if (known < 2) return 2;
  const second = header[1] ?? 0;
  const short = second & 0x7f;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + ((second & MASKED) === 0 ? 0 : MASK_BYTES);
}

function payloadLengthOf(header: Buffer): number {
  const short = (header[1] ?? 0) & 0x7f;
  if (short < 126) return short;
  return short === 126 ? header.readUInt16BE(2) : header.readUInt32BE(2) * 2 ** 32 + header.readUInt32BE(6);
}
