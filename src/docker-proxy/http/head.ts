import type { ByteReader } from '../streams/byte-reader.ts';

/** As much as Go's server takes. Longer: not understood. */
const HEAD_MAX_BYTES = 1024 * 1024;

export interface Head {
  /** Exactly as it came, with the empty line. */
  bytes: Buffer;
  /** By lower-case name, in order of arrival. */
  headers: ReadonlyMap<string, readonly string[]>;
}

export interface RequestHead extends Head {
  method: string;
  target: string;
  minor: number;
}

export interface ResponseHead extends Head {
  status: number;
  minor: number;
}

/** `end`: nothing came any more. `raw`: it isn't HTTP/1; all its bytes were put back. */
export type HeadBytes = { kind: 'head'; bytes: Buffer } | { kind: 'end' } | { kind: 'raw' };

/** Takes the bytes of one head, however they are cut; what follows stays in the reader. */
export async function readHead(reader: ByteReader): Promise<HeadBytes> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const piece = await reader.read();
    if (piece === undefined) {
      reader.unread(bytes);
      return bytes.length === 0 ? { kind: 'end' } : { kind: 'raw' };
    }
    const seen = Math.max(0, bytes.length - 3);
    bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
    const end = findEnd(bytes, seen);
    if (end !== undefined) {
      reader.unread(bytes.subarray(end));
      return { kind: 'head', bytes: bytes.subarray(0, end) };
    }
    if (bytes.length > HEAD_MAX_BYTES || !mayBeHttp(bytes)) {
      reader.unread(bytes);
      return { kind: 'raw' };
    }
  }
}

/** @returns undefined for what isn't a plain HTTP/1 request */
export function parseRequestHead(bytes: Buffer): RequestHead | undefined {
  const [first, ...lines] = linesOf(bytes);
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.([01])$/.exec(first ?? '');
  const headers = parseHeaders(lines);
  if (match?.[1] === undefined || match[2] === undefined || headers === undefined) return undefined;
  return { bytes, headers, method: match[1], target: match[2], minor: Number(match[3]) };
}

/** @returns undefined for what isn't a plain HTTP/1 answer */
export function parseResponseHead(bytes: Buffer): ResponseHead | undefined {
  const [first, ...lines] = linesOf(bytes);
  const match = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/.exec(first ?? '');
  const headers = parseHeaders(lines);
  if (match?.[2] === undefined || headers === undefined) return undefined;
  return { bytes, headers, status: Number(match[2]), minor: Number(match[1]) };
}

/** The head with another target or other headers; `undefined` takes a header away. All other lines stay byte for byte. */
export function editHead(
  head: Head,
  changes: { target?: string; headers?: Record<string, string | undefined> },
): Buffer {
  const [first = '', ...lines] = linesOf(head.bytes);
  const start = changes.target === undefined ? first : first.replace(/ \S+ /, () => ` ${changes.target} `);
  const headers = changes.headers ?? {};
  const kept = lines.filter((line) => !Object.hasOwn(headers, (line.split(':')[0] ?? '').toLowerCase()));
  const added = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return Buffer.from([start, ...kept, ...added, '', ''].join('\r\n'), 'latin1');
}

/** Whether a comma-separated header names the word, without regard to case. */
export function hasWord(head: Head, name: string, word: string): boolean {
  return (head.headers.get(name) ?? []).some((value) =>
    value.split(',').some((part) => part.trim().toLowerCase() === word),
  );
}

/** After the first empty line; lines may end in LF alone, as Go's server takes them. */
function findEnd(bytes: Buffer, from: number): number | undefined {
  for (let at = bytes.indexOf(0x0a, from); at !== -1; at = bytes.indexOf(0x0a, at + 1)) {
    if (bytes[at + 1] === 0x0a) return at + 2;
    if (bytes[at + 1] === 0x0d && bytes[at + 2] === 0x0a) return at + 3;
  }
  return undefined;
}

/** A TLS hello, for one, would otherwise be waited on for ever. */
function mayBeHttp(bytes: Buffer): boolean {
  return /^[A-Za-z]{1,32}(?:[ /]|$)/.test(bytes.subarray(0, 33).toString('latin1'));
}

/** The lines before the empty one. */
function linesOf(bytes: Buffer): string[] {
  const lines = bytes.toString('latin1').split(/\r?\n/);
  return lines.slice(0, -2);
}

function parseHeaders(lines: readonly string[]): Map<string, string[]> | undefined {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    // No name before the colon: a folded line among them, which no client of Docker's sends.
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) return undefined;
    const name = match[1].toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), match[2]]);
  }
  return headers;
}
