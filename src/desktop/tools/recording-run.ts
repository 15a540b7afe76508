import { stat, statfs } from 'node:fs/promises';
import { Screen } from '../../neko/embedded/screen.ts';
import type { XDisplay } from '../../neko/embedded/x11.ts';
import type { RecordingEnd } from '../../protocol/recordings.ts';
import type { DesktopEnvironment } from '../environment.ts';
import { evenSize, RecordingEncoder, type Size } from './recording-encoder.ts';

/** How often the file's length and the disk's room are looked at. */
const LOOK_MS = 500;
/** Room on the disk that recordings leave to the desktop. */
export const FREE_MIN_BYTES = 256 * 1024 ** 2;

/** The X server that is recorded. */
export interface RecordedDisplay {
  name: string;
  display: XDisplay;
}

export interface RunOptions {
  environment: DesktopEnvironment;
  on: RecordedDisplay;
  /** The PulseAudio source that is recorded. */
  audioDevice: string | undefined;
  file: string;
  fps: number;
  maxSeconds: number;
  maxBytes: number;
}

/** One recording while it is made; what first ends it, a limit or `end`, is its reason. */
export class RecordingRun {
  readonly maxBytes: number;
  readonly size: Size;
  /** Resolves once nothing writes the file any more; never rejects. */
  readonly ended: Promise<RecordingEnd>;
  readonly #file: string;
  readonly #display: XDisplay;
  readonly #encoder: RecordingEncoder;
  #bytes = 0;
  #reason: RecordingEnd | undefined;

  /** Resolves once it is being written; leaves no process behind when it throws. @throws what RecordingEncoder.start does */
  static async start(options: RunOptions, signal: AbortSignal): Promise<RecordingRun> {
    const { on, environment, audioDevice, file, fps } = options;
    const screen = await Screen.open(on.display);
    try {
      const size = evenSize(screen.size);
      const encoder = await RecordingEncoder.start(
        { environment, display: on.name, size, fps, audioDevice, file },
        signal,
      );
      return new RecordingRun(options, screen, size, encoder);
    } catch (thrown) {
      screen.close();
      throw thrown;
    }
  }

  private constructor(options: RunOptions, screen: Screen, size: Size, encoder: RecordingEncoder) {
    this.maxBytes = options.maxBytes;
    this.size = size;
    this.#file = options.file;
    this.#display = options.on.display;
    this.#encoder = encoder;
    this.ended = this.#keep(options.maxSeconds, screen);
  }

  /** The file's length as it was at the last look. */
  get bytes(): number {
    return this.#bytes;
  }

  end(by: RecordingEnd['by'], message: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = { by, message };
    void this.#encoder.finish();
  }

  async #keep(maxSeconds: number, screen: Screen): Promise<RecordingEnd> {
    const timer = setTimeout(() => this.end('duration', `it was ${maxSeconds} s long`), maxSeconds * 1000);
    const looks = setInterval(() => void this.#look(), LOOK_MS);
    screen.watch((size) => this.#compare(size));
    // It may have become another one while the encoder started.
    this.#compare(screen.size);
    const failure = await this.#encoder.ended;
    clearTimeout(timer);
    clearInterval(looks);
    screen.close();
    // It dies of a screen that becomes smaller, maybe before we are told.
    await this.#readSize().then(
      (size) => this.#compare(size),
      () => undefined,
    );
    return this.#reason ?? { by: 'cut', message: failure ?? 'the encoder ended by itself' };
  }

  #compare(screen: Size): void {
    const { width, height } = evenSize(screen);
    if (width !== this.size.width || height !== this.size.height)
      this.end('resize', `the screen became ${screen.width}x${screen.height}`);
  }

  #readSize(): Promise<Size> {
    const { root, client } = this.#display;
    return this.#display.ask<Size>((done) => client.GetGeometry(root, done));
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    try {
      const [{ size }, { bavail, bsize }] = await Promise.all([stat(this.#file), statfs(this.#file)]);
      this.#bytes = size;
      if (size >= this.maxBytes) this.end('bytes', `its file was ${size} bytes long`);
      if (bavail * bsize < FREE_MIN_BYTES) this.end('disk', `the disk had only ${bavail * bsize} bytes left`);
    } catch {
      // ENOENT: somebody in the session removed it.
      this.end('cut', 'its file was removed');
    }
  }
}
