import type { FileHandle } from 'node:fs/promises';

/** A box's size and type, and the size once more where it is a long one (ISO/IEC 14496-12, section 4.2). */
const HEADER_BYTES = 16;
const LONG_SIZE = 1;
/** Four boxes a second of a recording, or so; a file with more was not made by us. */
const BOXES_MAX = 200_000;

/**
 * Where the part of a fragmented MP4 file ends that can be played: after its last whole fragment (moof, and the mdat that follows), or what stands
 * behind that. 0 where there is none.
 */
export async function endOfPlayable(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const header = Buffer.alloc(HEADER_BYTES);
  let end = 0;
  let before = '';
  let start = 0;
  for (let boxes = 0; boxes < BOXES_MAX; boxes += 1) {
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, start);
    if (bytesRead < 8) break;
    const short = header.readUInt32BE(0);
    const isLong = short === LONG_SIZE && bytesRead === HEADER_BYTES;
    const bytes = isLong ? Number(header.readBigUInt64BE(8)) : short;
    // 0 is a box up to the end, which is how one begins whose size isn't known yet.
    if (bytes < 8 || start + bytes > size) break;
    start += bytes;
    const type = header.toString('latin1', 4, 8);
    const isWhole = type === 'mdat' ? before === 'moof' : type === 'mfra' && end > 0;
    if (isWhole) end = start;
    before = type;
  }
  return end;
}
