import { z } from 'zod';
import { RecordingId, RecordingOrder } from '../protocol/recordings.ts';
import type { AddTool } from './tool-adder.ts';

const One = z.strictObject({
  recording: RecordingId.describe('Its id, as recording_start and recording_list tell it'),
});

/** Recordings of the screen and the sound; the files are taken by the API, for no model reads MP4. */
export function addRecordingTools(add: AddTool): void {
  add('recording_start', {
    description: 'Start to record the screen, and the sound, to an MP4 file',
    input: RecordingOrder,
    run: (desktop, order, options) => desktop.recordings.start({ ...order, ...options }),
  });
  add('recording_stop', {
    description: 'End a recording; its file is whole then',
    input: One,
    run: (desktop, { recording }, options) => desktop.recordings.stop(recording, options),
  });
  add('recording_list', {
    description: 'The recordings of the session, and what became of each',
    isLooking: true,
    input: z.strictObject({}),
    run: async (desktop, _given, options) => ({ recordings: await desktop.recordings.list(options) }),
  });
  add('recording_delete', {
    description: 'Remove a recording for good',
    input: One,
    run: (desktop, { recording }, options) => desktop.recordings.remove(recording, options),
  });
}
