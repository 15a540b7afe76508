import { GatewayError } from '../../errors.ts';

/** A part of a file, its last byte included. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * The part that a Range header asks for, of a file that isn't empty: one range of bytes. Undefined for all of it, which any other header means
 * (RFC 9110, section 14.2). @throws GatewayError OUT_OF_RANGE when no byte of it is there
 */
export function readRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  const last = size - 1;
  // `-N` are the last N bytes.
  const range =
    from === ''
      ? { start: Math.max(0, size - Number(to)), end: last }
      : { start: Number(from), end: Math.min(Number(to || last), last) };
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (range.start > last) throw new GatewayError('OUT_OF_RANGE', `the file has ${size} bytes`);
  return range;
}
