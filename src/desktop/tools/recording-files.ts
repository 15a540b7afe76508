// What lies in a home of its recordings: for each `ID.mp4`, and `ID.json` that says what it is. Programs of the session may write there too,
// so nothing of it is believed beyond its shape.
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import { WholeFile } from '../../process/whole-file.ts';
import { Recording, RecordingId, RECORDINGS_MAX } from '../../protocol/recordings.ts';
import { endOfPlayable } from './mp4-index.ts';

/** Of a file that tells of a recording; a longer one isn't ours. */
const ABOUT_MAX_BYTES = 16_384;

export class RecordingFiles {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #about = new Map<string, WholeFile>();

  constructor(home: string, log: Logger) {
    this.#folder = join(home, '.local', 'share', 'nekogate', 'recordings');
    this.#log = log;
  }

  /** What earlier desktops recorded in this home, RECORDINGS_MAX at most. */
  async load(): Promise<Recording[]> {
    // ENOENT: nothing was recorded here yet.
    const names = await readdir(this.#folder).catch(() => []);
    const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    const known = ids.filter((id) => RecordingId.safeParse(id).success).slice(0, RECORDINGS_MAX);
    const read = await Promise.all(known.map((id) => this.#read(id)));
    return read.filter((recording) => recording !== undefined);
  }

  async makeFolder(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  pathOf(id: string): string {
    return join(this.#folder, `${id}.mp4`);
  }

  save(recording: Recording): void {
    const file = this.#about.get(recording.id) ?? new WholeFile(this.#aboutOf(recording.id), this.#log);
    this.#about.set(recording.id, file);
    file.write(JSON.stringify(recording));
  }

  /** Resolves once all that was saved is written. */
  async saved(): Promise<void> {
    await Promise.all([...this.#about.values()].map((file) => file.idle));
  }

  /** Bytes that may still be written on its disk. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize;
  }

  /** @throws GatewayError NOT_FOUND when it is not there, or something else is */
  async open(id: string): Promise<FileHandle> {
    const gone = (cause?: unknown): GatewayError =>
      new GatewayError('NOT_FOUND', `the file of recording ${id} is not there any more`, { cause });
    const file = await open(this.pathOf(id), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      (cause: unknown) => Promise.reject(gone(cause)),
    );
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw gone();
  }

  /** Takes away what follows what can be played. @returns the bytes that are left, 0 when that is nothing and the file is gone */
  async trim(id: string): Promise<number> {
    const file = await open(this.pathOf(id), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      () => undefined,
    );
    try {
      const end = file ? await endOfPlayable(file) : 0;
      if (end > 0) await file?.truncate(end);
      else await rm(this.pathOf(id), { force: true });
      return end;
    } finally {
      await file?.close();
    }
  }

  async remove(id: string): Promise<void> {
    await this.#about.get(id)?.idle;
    this.#about.delete(id);
    for (const path of [this.pathOf(id), this.#aboutOf(id)]) await rm(path, { force: true });
  }

  #aboutOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  async #read(id: string): Promise<Recording | undefined> {
    try {
      const path = this.#aboutOf(id);
      if ((await stat(path)).size > ABOUT_MAX_BYTES) return undefined;
      const recording = Recording.parse(JSON.parse(await readFile(path, 'utf8')));
      return recording.id === id ? recording : undefined;
    } catch (error) {
      this.#log.warn({ err: error }, `recording ${id} can't be read`);
      return undefined;
    }
  }
}
