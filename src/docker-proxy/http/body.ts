import type { Writable } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import type { ByteReader } from '../streams/byte-reader.ts';
import { send } from '../streams/splice.ts';
import { hasWord, type Head, type RequestHead, type ResponseHead } from './head.ts';

/** How a body ends (RFC 9112 section 6.3). `unframed`: with its connection, or by rules that this proxy doesn't know. */
export type Framing =
  | { kind: 'none' }
  | { kind: 'length'; length: number }
  | { kind: 'chunked' }
  | { kind: 'unframed' };

/** A line of chunked framing; Go's reader takes no longer ones. */
const CHUNK_LINE_MAX_BYTES = 4096;

export function requestFraming(head: RequestHead): Framing {
  const framing = declaredFraming(head);
  return framing ?? { kind: 'none' };
}

export function responseFraming(head: ResponseHead, method: string): Framing {
  if (head.status === 101) return { kind: 'unframed' };
  if (method === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304) return { kind: 'none' };
  return declaredFraming(head) ?? { kind: 'unframed' };
}

function declaredFraming(head: Head): Framing | undefined {
  const lengths = head.headers.get('content-length') ?? [];
  if (head.headers.has('transfer-encoding')) {
    // Both at once is how requests are smuggled; nobody honest sends it, and the daemon decides what it is.
    const isPlain = lengths.length === 0 && head.headers.get('transfer-encoding')?.length === 1;
    return isPlain && hasWord(head, 'transfer-encoding', 'chunked') ? { kind: 'chunked' } : { kind: 'unframed' };
  }
  if (lengths.length === 0) return undefined;
  const length = Number(lengths[0]);
  const isPlain = lengths.length === 1 && /^\d+$/.test(lengths[0] ?? '') && Number.isSafeInteger(length);
  return isPlain ? { kind: 'length', length } : { kind: 'unframed' };
}

/** Passes a body on as it came, each piece at once; resolves at its end. @throws when either side ends before */
export async function passBody(from: ByteReader, to: Writable, framing: Framing): Promise<void> {
  for await (const { raw } of bodyPieces(from, framing)) await send(to, raw);
}

/** The whole body, without its framing. @throws GatewayError MESSAGE_TOO_BIG */
export async function readBody(from: ByteReader, framing: Framing, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const { content } of bodyPieces(from, framing)) {
    length += content.length;
    if (length > maxBytes)
      throw new GatewayError('MESSAGE_TOO_BIG', `the docker proxy reads at most ${maxBytes} bytes of such a body`);
    pieces.push(content);
  }
  return Buffer.concat(pieces);
}

/** A body piece by piece, never past its end: as it came, and the content in it. @throws when the stream ends before the body does */
export async function* bodyPieces(
  from: ByteReader,
  framing: Framing,
): AsyncGenerator<{ raw: Buffer; content: Buffer }> {
  if (framing.kind === 'none') return;
  const cut: Cut =
    framing.kind === 'chunked' ? cutChunked() : cutLength(framing.kind === 'length' ? framing.length : Infinity);
  while (!cut.done) {
    const piece = await from.read();
    if (piece === undefined) {
      if (framing.kind === 'unframed') return;
      throw new Error('the stream ended in the middle of a body');
    }
    const { used, content } = cut.take(piece);
    from.unread(piece.subarray(used));
    if (used > 0) yield { raw: piece.subarray(0, used), content };
  }
}

interface Cut {
  done: boolean;
  /** How many of these bytes are the body's, and the content among them. */
  take(piece: Buffer): { used: number; content: Buffer };
}

function cutLength(length: number): Cut {
  let left = length;
  return {
    get done() {
      return left === 0;
    },
    take(piece) {
      const used = Math.min(left, piece.length);
      left -= used;
      return { used, content: piece.subarray(0, used) };
    },
  };
}

function cutChunked(): Cut {
  let state: 'size' | 'data' | 'after-data' | 'trailer' | 'done' = 'size';
  let line = '';
  let left = 0;
  const endLine = (): void => {
    const text = line.replace(/\r$/, '');
    line = '';
    if (state === 'after-data') {
      if (text !== '') throw new Error('a chunk is longer than it says');
      state = 'size';
    } else if (state === 'trailer') {
      if (text === '') state = 'done';
    } else {
      const size = /^([0-9a-fA-F]{1,13})[ \t]*(?:;.*)?$/.exec(text)?.[1];
      if (size === undefined) throw new Error('a chunk has no size');
      left = Number.parseInt(size, 16);
      state = left === 0 ? 'trailer' : 'data';
    }
  };
  return {
    get done() {
      return state === 'done';
    },
    take(piece) {
      const content: Buffer[] = [];
      let at = 0;
      while (at < piece.length && state !== 'done') {
        if (state === 'data') {
          const data = piece.subarray(at, at + left);
          content.push(data);
          left -= data.length;
          at += data.length;
          if (left === 0) state = 'after-data';
          continue;
        }
        const end = piece.indexOf(0x0a, at);
        line += piece.toString('latin1', at, end === -1 ? piece.length : end);
        if (line.length > CHUNK_LINE_MAX_BYTES) throw new Error('a line of chunked framing has no end');
        at = end === -1 ? piece.length : end + 1;
        if (end !== -1) endLine();
      }
      return { used: at, content: content.length === 1 && content[0] ? content[0] : Buffer.concat(content) };
    },
  };
}
