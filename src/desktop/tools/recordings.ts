import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import {
  RECORDINGS_AT_ONCE_MAX,
  RECORDINGS_MAX,
  RECORDINGS_MAX_BYTES,
  type Recording,
  type RecordingEnd,
  type RecordingOrder,
} from '../../protocol/recordings.ts';
import type { DesktopEnvironment } from '../environment.ts';
import { RecordingFiles } from './recording-files.ts';
import { FREE_MIN_BYTES, RecordingRun, type RecordedDisplay } from './recording-run.ts';

/** Less room than this for a recording is none. */
const ROOM_MIN_BYTES = 1024 ** 2;
const MESSAGE_MAX_CHARS = 4000;

export interface RecordingsOptions {
  environment: DesktopEnvironment;
  /** The X server that runs now. @throws GatewayError */
  takeDisplay: () => Promise<RecordedDisplay>;
  /** The PulseAudio source that is recorded; a desktop without sound has none. */
  audioDevice: string | undefined;
  log: Logger;
}

/** MP4 recordings of one desktop, kept in its home. */
export class Recordings implements AsyncDisposable {
  readonly #options: RecordingsOptions;
  readonly #files: RecordingFiles;
  readonly #kept: Map<string, Recording>;
  /** Those that are being made; `settled` resolves once their files are as they stay. */
  readonly #runs = new Map<string, { run: RecordingRun; settled: Promise<void> }>();
  readonly #closed = new AbortController();
  /** Starts that are under way, or wait for the one before, since each counts what the others take. */
  #starting = 0;
  #lastStart: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Resolves once it knows what is kept in the home; what was cut there is made playable. */
  static async open(options: RecordingsOptions): Promise<Recordings> {
    const files = new RecordingFiles(options.environment.folder.home, options.log);
    const recordings = new Recordings(options, files, await files.load());
    for (const recording of recordings.list())
      if (recording.state === 'recording')
        await recordings.#settle(recording, { by: 'cut', message: 'the desktop ended while it was made' });
    return recordings;
  }

  private constructor(options: RecordingsOptions, files: RecordingFiles, kept: readonly Recording[]) {
    this.#options = options;
    this.#files = files;
    this.#kept = new Map(kept.map((recording) => [recording.id, recording]));
  }

  /** The newest first. */
  list(): Recording[] {
    const recordings = [...this.#kept.keys()].map((id) => this.get(id));
    return recordings.toSorted((one, other) => other.startedAt.localeCompare(one.startedAt));
  }

  /** @throws GatewayError NOT_FOUND */
  get(id: string): Recording {
    const recording = this.#kept.get(id);
    if (!recording) throw new GatewayError('NOT_FOUND', `there is no recording ${id} in this session`);
    return { ...recording, bytes: this.#runs.get(id)?.run.bytes ?? recording.bytes };
  }

  /**
   * Resolves once it is being written.
   * @throws GatewayError CONFLICT for one too many | DISK_FULL | DEPENDENCY_MISSING | TOOLS_FAILED
   */
  async start(order: RecordingOrder): Promise<Recording> {
    if (this.#runs.size + this.#starting >= RECORDINGS_AT_ONCE_MAX)
      throw new GatewayError('CONFLICT', `${RECORDINGS_AT_ONCE_MAX} recordings are being made already; stop one`);
    if (this.#kept.size + this.#starting >= RECORDINGS_MAX)
      throw new GatewayError('CONFLICT', `${RECORDINGS_MAX} recordings are kept already; delete one`);
    this.#starting += 1;
    const started = this.#lastStart.then(() => this.#start(order)).finally(() => (this.#starting -= 1));
    this.#lastStart = started.catch(() => undefined);
    return started;
  }

  /** Resolves once its file is whole; one that has ended is answered as it is. @throws GatewayError NOT_FOUND */
  async stop(id: string): Promise<Recording> {
    const made = this.#runs.get(id);
    made?.run.end('request', 'it was stopped');
    await made?.settled;
    return this.get(id);
  }

  /** Its file, which is the caller's to close. @throws GatewayError NOT_FOUND | CONFLICT while it is being made */
  async openFile(id: string): Promise<FileHandle> {
    const { state } = this.get(id);
    if (state === 'recording') throw new GatewayError('CONFLICT', `recording ${id} is still being made; stop it first`);
    if (state === 'failed') throw new GatewayError('NOT_FOUND', `recording ${id} failed, and there is no file of it`);
    return this.#files.open(id);
  }

  /** Ends it if it is being made, and removes it for good. @throws GatewayError NOT_FOUND */
  async remove(id: string): Promise<Recording> {
    const recording = await this.stop(id);
    this.#kept.delete(id);
    await this.#files.remove(id);
    return recording;
  }

  /** Ends those that are being made; resolves once all files are whole. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort(new GatewayError('SESSION_ENDED', 'the session is ending'));
    await this.#lastStart;
    const made = [...this.#runs.values()];
    for (const { run } of made) run.end('session', 'the desktop was ended');
    await Promise.all(made.map(({ settled }) => settled));
    await this.#files.saved();
  }

  async #start({ name = 'recording', fps, sound, maxSeconds, maxBytes }: RecordingOrder): Promise<Recording> {
    this.#closed.signal.throwIfAborted();
    const { environment, takeDisplay } = this.#options;
    const on = await takeDisplay();
    await this.#files.makeFolder();
    const room = await this.#room();
    const id = randomBytes(8).toString('hex');
    const file = this.#files.pathOf(id);
    const audioDevice = sound ? this.#options.audioDevice : undefined;
    const startedAt = new Date().toISOString();
    const options = { environment, on, audioDevice, file, fps, maxSeconds, maxBytes: Math.min(maxBytes, room) };
    const run = await RecordingRun.start(options, this.#closed.signal).catch(async (thrown: unknown) => {
      await this.#files.remove(id);
      throw thrown;
    });
    const recording: Recording = {
      id,
      state: 'recording',
      fileName: `${name} ${startedAt.slice(0, 19).replace('T', ' ').replaceAll(':', '-')}.mp4`,
      bytes: 0,
      startedAt,
      endedAt: null,
      end: null,
      ...run.size,
      fps,
      hasSound: audioDevice !== undefined,
    };
    this.#keep(recording);
    const settled = run.ended.then(async (end) => {
      await this.#settle(recording, end);
      this.#runs.delete(id);
    });
    this.#runs.set(id, { run, settled });
    return recording;
  }

  /** Never rejects. */
  async #settle(recording: Recording, end: RecordingEnd): Promise<void> {
    const bytes = await this.#files.trim(recording.id).catch((error: unknown) => {
      this.#options.log.error({ err: error }, `the file of recording ${recording.id} can't be read`);
      return 0;
    });
    if (end.by === 'cut') this.#options.log.warn(`recording ${recording.id} was cut: ${end.message}`);
    this.#keep({
      ...recording,
      state: bytes > 0 ? 'completed' : 'failed',
      bytes,
      end: { by: end.by, message: end.message.slice(0, MESSAGE_MAX_CHARS) },
      endedAt: new Date().toISOString(),
    });
  }

  #keep(recording: Recording): void {
    this.#kept.set(recording.id, recording);
    this.#files.save(recording);
  }

  /** Bytes that one more may have. @throws GatewayError DISK_FULL */
  async #room(): Promise<number> {
    const taken = this.list().map(({ id, bytes }) => this.#runs.get(id)?.run.maxBytes ?? bytes);
    const room = RECORDINGS_MAX_BYTES - taken.reduce((sum, bytes) => sum + bytes, 0);
    if (room < ROOM_MIN_BYTES)
      throw new GatewayError('DISK_FULL', `recordings have their ${RECORDINGS_MAX_BYTES} bytes already; delete one`);
    const free = await this.#files.freeBytes();
    if (free < FREE_MIN_BYTES)
      throw new GatewayError('DISK_FULL', `the disk has ${free} bytes left, and a recording leaves ${FREE_MIN_BYTES}`);
    return room;
  }
}
