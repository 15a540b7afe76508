// RTP packets out of a byte stream: each has its length in front, 16 bits, big-endian (RFC 4571).

/** One RTP packet (RFC 3550) without what we don't use: padding and extensions are not made by our pipelines. */
export interface RtpPacket {
  sequenceNumber: number;
  timestamp: number;
  marker: boolean;
  payload: Buffer;
}

const FIXED_HEADER_BYTES = 12;

/** Cuts chunks, however they arrive, into packets. Holds at most one unfinished packet, which is at most 64 KiB. */
export class RtpStreamReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The packets that `chunk` completes. Throws when they are no RTP. */
  read(chunk: Buffer): RtpPacket[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const packets: RtpPacket[] = [];
    let at = 0;
    while (at + 2 <= bytes.length) {
      const end = at + 2 + bytes.readUInt16BE(at);
      if (end > bytes.length) break;
      packets.push(parseRtp(bytes.subarray(at + 2, end)));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return packets;
  }
}

function parseRtp(bytes: Buffer): RtpPacket {
  const first = bytes[0] ?? 0;
  if (bytes.length < FIXED_HEADER_BYTES || first >> 6 !== 2) throw new Error('not an RTP packet');
  const sources = first & 0x0f;
  return {
    sequenceNumber: bytes.readUInt16BE(2),
    timestamp: bytes.readUInt32BE(4),
    marker: ((bytes[1] ?? 0) & 0x80) !== 0,
    payload: bytes.subarray(FIXED_HEADER_BYTES + 4 * sources),
  };
}

/** Whether a VP8 payload starts a key frame (RFC 7741, sections 4.2 and 4.3). */
export function startsVp8KeyFrame(payload: Buffer): boolean {
  const required = payload[0] ?? 0;
  const startsFirstPartition = (required & 0x10) !== 0 && (required & 0x07) === 0;
  if (!startsFirstPartition) return false;
  const header = payload[descriptorBytes(payload)];
  return header !== undefined && (header & 0x01) === 0;
}

function descriptorBytes(payload: Buffer): number {
  if (((payload[0] ?? 0) & 0x80) === 0) return 1;
  const optional = payload[1] ?? 0;
  const pictureId = (optional & 0x80) === 0 ? 0 : ((payload[2] ?? 0) & 0x80) === 0 ? 1 : 2;
  const tl0 = (optional & 0x40) === 0 ? 0 : 1;
  const tidOrKey = (optional & 0x30) === 0 ? 0 : 1;
  return 2 + pictureId + tl0 + tidOrKey;
}
