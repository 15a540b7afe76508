import { Recording, RecordingList, type RecordingOrder } from '../protocol/recordings.ts';
import type { z } from 'zod';
import type { Caller, CallOptions } from './http.ts';
import { partOf, pathOf } from './sessions.ts';

/** What to record; all of it may be left out. */
export type RecordOptions = z.input<typeof RecordingOrder> & CallOptions;

/** Recordings of a session's screen and sound, as MP4 files. */
export interface Recordings {
  /** Resolves once it is being made. @throws NekogateError CONFLICT for one too many | DISK_FULL | DEPENDENCY_MISSING */
  start(options?: RecordOptions): Promise<Recording>;
  /** Resolves once its file is whole. One that has ended is answered as it is. */
  stop(recordingId: string, options?: CallOptions): Promise<Recording>;
  /** The newest first. */
  list(options?: CallOptions): Promise<Recording[]>;
  get(recordingId: string, options?: CallOptions): Promise<Recording>;
  /** The file's bytes as they come; resolves when the first do. A stream that is not read to its end is to be cancelled. @throws NekogateError CONFLICT while it is made */
  download(recordingId: string, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /** For good; one that is being made is ended. */
  remove(recordingId: string, options?: CallOptions): Promise<Recording>;
}

export function recordingsOf({ callApi, download }: Caller, sessionId: string): Recordings {
  const all = `${pathOf(sessionId)}/recordings`;
  const one = (recordingId: string): string => `${all}/${partOf(recordingId)}`;
  return {
    start: ({ signal, timeoutMs, ...body } = {}) =>
      callApi(
        { method: 'POST', path: all, body, reply: Recording },
        { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) },
      ),
    stop: (id, options) => callApi({ method: 'POST', path: `${one(id)}/stop`, reply: Recording }, options),
    list: async (options) => (await callApi({ method: 'GET', path: all, reply: RecordingList }, options)).recordings,
    get: (id, options) => callApi({ method: 'GET', path: one(id), reply: Recording }, options),
    download: (id, options) => download({ method: 'GET', path: `${one(id)}/content` }, options),
    remove: (id, options) => callApi({ method: 'DELETE', path: one(id), reply: Recording }, options),
  };
}
