import type { Logger } from 'pino';
import { GstProcess } from './gst-process.ts';
import { type RtpPacket, RtpStreamReader, startsVp8KeyFrame } from './rtp-stream.ts';

// A pipeline that dies is started again after 250 ms, 500 ms, ... up to 5 s; after so many in a row without
// a quiet time between, viewers stay dark until the next one joins. Half a minute of life forgives what was.
const RESTART_MIN_MS = 250;
const RESTART_MAX_MS = 5000;
const RESTARTS_MAX = 10;
const QUIET_MS = 30_000;
// Between two key frames that viewers asked for: a key frame is large, and one serves all who ask meanwhile.
const KEY_FRAME_GAP_MS = 200;

export interface SourcePacket extends RtpPacket {
  /** Another number after each start of the pipeline: sequence and time start anew with it. */
  epoch: number;
  startsKeyFrame: boolean;
}

export interface MediaSourceOptions {
  name: 'video' | 'audio';
  /** The pipeline's arguments, asked for at each start. */
  pipeline: () => readonly string[];
  env: NodeJS.ProcessEnv;
  /** Whether packets are VP8, with key frames that can be asked for by RTCP on the pipeline's stdin. */
  keyFrames: boolean;
  ssrc: number;
}

/** One capture and encode for all viewers: runs while there are any, and is started again when it dies. */
export class MediaSource implements AsyncDisposable {
  readonly #options: MediaSourceOptions;
  readonly #logger: Logger;
  readonly #listeners = new Set<(packet: SourcePacket) => void>();
  #run: Run | undefined;
  #ending: Promise<void> = Promise.resolve();
  #epoch = 0;
  #starts = 0;
  #failures = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #keyFrameTimer: NodeJS.Timeout | undefined;
  #keyFrameAskedAt = Number.NEGATIVE_INFINITY;
  #held = 0;
  #closed = false;

  constructor(options: MediaSourceOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger.child({ source: options.name });
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** How often the pipeline has been started. */
  get starts(): number {
    return this.#starts;
  }

  /** Calls `listener` with each packet until the returned function is called. The first one starts the pipeline. */
  subscribe(listener: (packet: SourcePacket) => void): () => void {
    this.#listeners.add(listener);
    if (this.#run === undefined && this.#restartTimer === undefined) this.#failures = 0;
    this.#reconcile();
    return () => {
      this.#listeners.delete(listener);
      this.#reconcile();
    };
  }

  /** Asks for a key frame: at once, or when the gap since the last one has passed. */
  requestKeyFrame(): void {
    if (!this.#options.keyFrames || this.#run === undefined || this.#keyFrameTimer !== undefined) return;
    const wait = this.#keyFrameAskedAt + KEY_FRAME_GAP_MS - performance.now();
    if (wait <= 0) {
      this.#askForKeyFrame();
      return;
    }
    this.#keyFrameTimer = setTimeout(() => {
      this.#keyFrameTimer = undefined;
      this.#askForKeyFrame();
    }, wait);
  }

  /** Keeps the pipeline stopped while `work` runs (a resize), then starts it again if it has viewers. */
  async stoppedDuring<T>(work: () => Promise<T>): Promise<T> {
    this.#held += 1;
    this.#reconcile();
    await this.#ending;
    try {
      return await work();
    } finally {
      this.#held -= 1;
      this.#reconcile();
    }
  }

  /** Ends the pipeline for good; resolves once its process is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    this.#reconcile();
    await this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #reconcile(): void {
    const wanted = !this.#closed && this.#held === 0 && this.#listeners.size > 0;
    if (!wanted) {
      clearTimeout(this.#restartTimer);
      this.#restartTimer = undefined;
      if (this.#run !== undefined) this.#end(this.#run);
    } else if (this.#run === undefined && this.#restartTimer === undefined && this.#failures < RESTARTS_MAX) {
      this.#start();
    }
  }

  #start(): void {
    this.#epoch += 1;
    this.#starts += 1;
    const epoch = this.#epoch;
    const reader = new RtpStreamReader();
    const process = new GstProcess({
      pipeline: this.#options.pipeline(),
      env: this.#options.env,
      logger: this.#logger,
      onOutput: (chunk) => {
        for (const packet of reader.read(chunk)) this.#deliver(packet, epoch);
      },
    });
    const run: Run = { process, startedAt: performance.now() };
    this.#run = run;
    // A pipeline's first frame is a key frame.
    this.#keyFrameAskedAt = run.startedAt;
    void process.exited.then((how) => {
      if (this.#run === run) this.#fail(run, how);
    });
    this.#logger.info({ epoch }, 'pipeline started');
  }

  #end(run: Run): void {
    this.#run = undefined;
    clearTimeout(this.#keyFrameTimer);
    this.#keyFrameTimer = undefined;
    const before = this.#ending;
    this.#ending = Promise.all([before, run.process.stop()]).then(() => this.#logger.info('pipeline stopped'));
  }

  #fail(run: Run, how: string): void {
    this.#run = undefined;
    if (performance.now() - run.startedAt > QUIET_MS) this.#failures = 0;
    this.#failures += 1;
    if (this.#failures >= RESTARTS_MAX) {
      this.#logger.error({ how }, `pipeline died ${this.#failures} times; it waits for a new viewer`);
      return;
    }
    const delay = Math.min(RESTART_MAX_MS, RESTART_MIN_MS * 2 ** (this.#failures - 1));
    this.#logger.warn({ how, restartInMs: delay }, 'pipeline died');
    this.#restartTimer = setTimeout(() => {
      this.#restartTimer = undefined;
      this.#reconcile();
    }, delay);
  }

  #deliver(packet: RtpPacket, epoch: number): void {
    if (epoch !== this.#epoch || this.#run === undefined) return;
    const startsKeyFrame = this.#options.keyFrames && startsVp8KeyFrame(packet.payload);
    const delivered = { ...packet, epoch, startsKeyFrame };
    for (const listener of this.#listeners) listener(delivered);
  }

  #askForKeyFrame(): void {
    this.#keyFrameAskedAt = performance.now();
    this.#run?.process.write(pictureLossIndication(this.#options.ssrc));
  }
}

interface Run {
  process: GstProcess;
  startedAt: number;
}

/** RTCP's plea for a key frame (RFC 4585, section 6.3.1). */
function pictureLossIndication(mediaSsrc: number): Uint8Array {
  const packet = Buffer.alloc(12);
  packet.writeUInt8(0x81, 0); // version 2, feedback message type 1
  packet.writeUInt8(206, 1); // payload-specific feedback
  packet.writeUInt16BE(2, 2); // length in words, less one
  packet.writeUInt32BE(1, 4); // we as its sender
  packet.writeUInt32BE(mediaSsrc, 8);
  return packet;
}
