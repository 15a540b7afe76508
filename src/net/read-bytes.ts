import type { GatewayError } from '../errors.ts';

/** All of a body. @throws what `tooLong` makes when it has more than `maxBytes` */
export async function readBytes(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
  tooLong: () => GatewayError,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
