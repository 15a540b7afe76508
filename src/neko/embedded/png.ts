// A PNG of a small picture with transparency (a cursor). W3C PNG, sections 5 and 11.
import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Encodes `width * height` pixels of 4 bytes, blue, green, red and alpha, premultiplied, as X gives cursors. */
export function encodePng(width: number, height: number, pixels: Uint8Array): Uint8Array<ArrayBuffer> {
  if (pixels.length !== width * height * 4)
    throw new RangeError(`${pixels.length} bytes are not ${width}x${height} pixels`);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA, deflate, adaptive filter, not interlaced
  return new Uint8Array(
    Buffer.concat([
      SIGNATURE,
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(scanlines(width, height, pixels))),
      chunk('IEND', Buffer.alloc(0)),
    ]),
  );
}

function scanlines(width: number, height: number, pixels: Uint8Array): Buffer {
  const stride = 1 + width * 4; // each line starts with its filter, 0: none
  const lines = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + x) * 4;
      const to = y * stride + 1 + x * 4;
      const alpha = pixels[from + 3] ?? 0;
      lines[to] = straight(pixels[from + 2] ?? 0, alpha);
      lines[to + 1] = straight(pixels[from + 1] ?? 0, alpha);
      lines[to + 2] = straight(pixels[from] ?? 0, alpha);
      lines[to + 3] = alpha;
    }
  }
  return lines;
}

function straight(premultiplied: number, alpha: number): number {
  return alpha === 0 ? 0 : Math.min(255, Math.round((premultiplied * 255) / alpha));
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
