import type { Readable } from 'node:stream';
import type { GatewayError } from '../errors.ts';

/** All of a body of bytes, as UTF-8. @throws what `tooLong` makes when it has more than `maxBytes` */
export async function readText(body: Readable, maxBytes: number, tooLong: () => GatewayError): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > maxBytes) throw tooLong();
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString('utf8');
}
