// Recordings of a session's screen and sound, as MP4 files.
import { z } from 'zod';

/** Recordings that are made at once in one session; one more is refused with CONFLICT. */
export const RECORDINGS_AT_ONCE_MAX = 2;
/** Recordings that are kept in one home; one more is refused with CONFLICT until one is deleted. */
export const RECORDINGS_MAX = 50;
/** What all recordings of one home may take together; one that gets there ends, and one more is refused with DISK_FULL. */
export const RECORDINGS_MAX_BYTES = 4 * 1024 ** 3;

const SECONDS_MAX = 4 * 60 * 60;
const BYTES_MIN = 1024 ** 2;

export const RecordingId = z.string().regex(/^[0-9a-f]{16}$/, 'is no id of a recording');

export const RecordingOrder = z.strictObject({
  name: z
    .string()
    .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,79}$/u, 'has other characters than letters, digits, space, . _ -')
    .optional()
    .describe('What its file name begins with'),
  fps: z.int().min(1).max(60).default(30).describe('Pictures a second'),
  sound: z.boolean().default(true).describe('Whether what is played is recorded, where the session has sound'),
  maxSeconds: z.int().min(1).max(SECONDS_MAX).default(3600).describe('It ends by itself then'),
  maxBytes: z
    .int()
    .min(BYTES_MIN)
    .max(RECORDINGS_MAX_BYTES)
    .default(1024 ** 3)
    .describe('It ends by itself once its file is about so long'),
});
export type RecordingOrder = z.output<typeof RecordingOrder>;

export const RecordingEnd = z.object({
  by: z
    .enum(['request', 'duration', 'bytes', 'disk', 'resize', 'session', 'cut'])
    .describe(
      'What ended it: a call, maxSeconds, maxBytes, a disk that is nearly full, a screen of another size, the end of the session, or a crash',
    ),
  message: z.string().max(4000),
});
export type RecordingEnd = z.infer<typeof RecordingEnd>;

export const Recording = z.object({
  id: RecordingId,
  state: z
    .enum(['recording', 'completed', 'failed'])
    .describe('A completed one can be played, also one that was cut; of a failed one there is no file'),
  fileName: z.string().max(256),
  bytes: z.int().nonnegative(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  end: RecordingEnd.nullable(),
  width: z.int().positive().describe("Pixels: the screen's, less one where that is odd"),
  height: z.int().positive(),
  fps: z.int(),
  hasSound: z.boolean(),
});
export type Recording = z.infer<typeof Recording>;

export const RecordingList = z.object({
  recordings: z.array(Recording).max(RECORDINGS_MAX).describe('The newest first'),
});

/** A part of a recording's file. */
export const RecordingBytes = z.object({
  id: RecordingId,
  start: z.int().min(0),
  end: z.int().min(0).describe('The last byte'),
});
