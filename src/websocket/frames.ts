import type { RawData } from 'ws';

/** The text of one frame, however `ws` was told to hand it over. */
export function textOf(bytes: RawData): string {
  if (Array.isArray(bytes)) return Buffer.concat(bytes).toString('utf8');
  return Buffer.isBuffer(bytes) ? bytes.toString('utf8') : Buffer.from(bytes).toString('utf8');
}

/** The bytes of one frame, copied only where `ws` was told to hand it over in parts. */
export function bytesOf(bytes: RawData): Uint8Array {
  if (Array.isArray(bytes)) return Buffer.concat(bytes);
  return Buffer.isBuffer(bytes) ? bytes : new Uint8Array(bytes);
}
