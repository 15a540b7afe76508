import type { RtpPacket } from 'werift';

const PARAMS = {
  'target-bitrate': 'round(1500000)',
  'cpu-used': '8',
  'end-usage': 'cbr',
  threads: '2',
  deadline: '1',
  'keyframe-max-dist': '25',
};

/** Flags of a streamer with two videos: `hq` of the screen's size, and `lq`, a quarter of it. */
export const TWO_QUALITIES = {
  'capture.video.ids': 'hq,lq',
  'capture.video.pipelines': JSON.stringify({
    hq: { fps: '25', gst_encoder: 'vp8enc', gst_params: PARAMS },
    lq: {
      width: '640',
      height: '360',
      fps: '15',
      gst_encoder: 'vp8enc',
      gst_params: { ...PARAMS, 'target-bitrate': 'round(300000)' },
    },
  }),
};

/** The sizes of the key frames that came, in order, each once in a row. */
export function frameSizes(media: { video: readonly RtpPacket[] }): string[] {
  const sizes = media.video.flatMap(({ payload }) => vp8Size(payload) ?? []);
  return sizes.filter((size, index) => size !== sizes[index - 1]);
}

/** A VP8 key frame's size, from its header (RFC 6386, section 9.1), or undefined for other packets. */
export function vp8Size(payload: Buffer): string | undefined {
  const frame = payload.subarray(vp8DescriptorBytes(payload));
  const isStart = ((payload[0] ?? 0) & 0x17) === 0x10;
  if (!isStart || frame.length < 10 || ((frame[0] ?? 1) & 1) !== 0 || frame.readUIntBE(3, 3) !== 0x9d012a)
    return undefined;
  return `${frame.readUInt16LE(6) & 0x3fff}x${frame.readUInt16LE(8) & 0x3fff}`;
}

/** RFC 7741, section 4.2. */
function vp8DescriptorBytes(payload: Buffer): number {
  const [first = 0, extension = 0, picture = 0] = payload;
  if ((first & 0x80) === 0) return 1;
  let bytes = 2;
  if ((extension & 0x80) !== 0) bytes += (picture & 0x80) === 0 ? 1 : 2;
  if ((extension & 0x40) !== 0) bytes += 1;
  if ((extension & 0x30) !== 0) bytes += 1;
  return bytes;
}
