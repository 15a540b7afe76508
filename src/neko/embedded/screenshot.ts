import type { Logger } from 'pino';
import { GstProcess } from './gst-process.ts';
import { jpegPipeline } from './pipelines.ts';
import type { Screen } from './screen.ts';
import type { XDisplay } from './x11.ts';

const Z_PIXMAP = 2;
const ALL_PLANES = 0xffff_ffff;
const ENCODE_TIMEOUT_MS = 5000;
// Started anew it takes five times as long, so it waits a while for the next one.
const IDLE_MS = 10_000;
// A picture at quality 100 is smaller than its pixels; a longer answer is none.
const JPEG_MAX_BYTES = 64 * 1024 * 1024;

/**
 * JPEGs of the desktop. The picture comes from the X server and goes through a GStreamer pipeline that is kept for the
 * next one: its libjpeg-turbo takes a tenth of what JavaScript would, and leaves the event loop, and so input, alone.
 */
export class Screenshots implements AsyncDisposable {
  readonly #display: XDisplay;
  readonly #screen: Screen;
  readonly #env: NodeJS.ProcessEnv;
  readonly #logger: Logger;
  #encoder: JpegEncoder | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(desktop: { display: XDisplay; screen: Screen }, env: NodeJS.ProcessEnv, logger: Logger) {
    this.#display = desktop.display;
    this.#screen = desktop.screen;
    this.#env = env;
    this.#logger = logger;
  }

  /** One at a time; quality 1 to 100. Rejects when the picture cannot be had. */
  take(quality: number): Promise<Buffer> {
    const shot = this.#tail.then(() => this.#take(quality));
    this.#tail = shot.catch(() => undefined);
    return shot;
  }

  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    await this.#encoder?.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #take(quality: number): Promise<Buffer> {
    clearTimeout(this.#idleTimer);
    const { width, height } = this.#screen.size;
    const { client, root } = this.#display;
    const encoder = await this.#encoderFor({ width, height, quality });
    try {
      const image = await this.#display.ask<{ data: Buffer }>((done) =>
        client.GetImage(Z_PIXMAP, root, 0, 0, width, height, ALL_PLANES, done),
      );
      return await encoder.encode(image.data.subarray(0, width * height * 4));
    } catch (error) {
      await this.#drop(encoder);
      throw error;
    } finally {
      this.#idleTimer = setTimeout(() => void this.#drop(encoder), IDLE_MS);
    }
  }

  async #encoderFor(shape: JpegShape): Promise<JpegEncoder> {
    if (this.#encoder?.fits(shape) === true) return this.#encoder;
    await this.#encoder?.stop();
    this.#encoder = new JpegEncoder(shape, this.#env, this.#logger);
    return this.#encoder;
  }

  async #drop(encoder: JpegEncoder): Promise<void> {
    if (this.#encoder === encoder) this.#encoder = undefined;
    await encoder.stop();
  }
}

interface JpegShape {
  width: number;
  height: number;
  quality: number;
}

class JpegEncoder {
  readonly #shape: JpegShape;
  readonly #process: GstProcess;
  #isAlive = true;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #waiting: PromiseWithResolvers<Buffer> | undefined;

  constructor(shape: JpegShape, env: NodeJS.ProcessEnv, logger: Logger) {
    this.#shape = shape;
    this.#process = new GstProcess({
      pipeline: jpegPipeline(shape.width, shape.height, shape.quality),
      env,
      logger,
      onOutput: (chunk) => this.#collect(chunk),
    });
    void this.#process.exited.then((how) => {
      this.#isAlive = false;
      this.#waiting?.reject(new Error(`the JPEG encoder ended: ${how}`));
    });
  }

  fits(shape: JpegShape): boolean {
    const own = this.#shape;
    return this.#isAlive && own.width === shape.width && own.height === shape.height && own.quality === shape.quality;
  }

  async encode(pixels: Buffer): Promise<Buffer> {
    const waiting = Promise.withResolvers<Buffer>();
    this.#waiting = waiting;
    const timer = setTimeout(() => waiting.reject(new Error('the JPEG encoder does not answer')), ENCODE_TIMEOUT_MS);
    try {
      if (!this.#isAlive) throw new Error('the JPEG encoder has ended');
      this.#process.write(pixels);
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  #collect(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    // One picture is in the pipe at a time, so its end of image (FF D9) is the last of what comes.
    const tail = chunk.length > 1 ? chunk : Buffer.concat(this.#chunks).subarray(-2);
    const isWhole = tail.at(-2) === 0xff && tail.at(-1) === 0xd9;
    if (isWhole) this.#waiting?.resolve(Buffer.concat(this.#chunks));
    else if (this.#bytes > JPEG_MAX_BYTES) this.#waiting?.reject(new Error('the JPEG is too large'));
    else return;
    this.#chunks = [];
    this.#bytes = 0;
  }
}
