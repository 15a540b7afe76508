import type { Logger } from 'pino';
import { BitrateMeter } from './bitrate-meter.ts';
import { Doze, type DozeScreen } from './doze.ts';
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
// Who is about to watch asks for the picture by then, or isn't going to.
const EXPECTED_MS = 10_000;

export interface SourcePacket extends RtpPacket {
  /** Another one after each start of a pipeline, whichever: sequence and time start anew with it. */
  epoch: symbol;
  startsKeyFrame: boolean;
}

/** What one viewer's stream is made of. */
export interface PacketSource extends AsyncDisposable {
  readonly id: string;
  /** How many it has now. */
  readonly listeners: number;
  readonly isRunning: boolean;
  /** How often it was started. */
  readonly starts: number;
  /** All that it has given. */
  readonly bytes: number;
  /** What it gives, in bits a second; 0 while that isn't known. */
  readonly bitrate: number;
  /** Gets ready for somebody who is about to subscribe. */
  expect(): void;
  /** Calls `listener` with each packet until the returned function is called. The first one starts it. */
  subscribe(listener: (packet: SourcePacket) => void): () => void;
  requestKeyFrame(): void;
}

export interface MediaSourceOptions {
  /** What it is called among its kind. */
  id: string;
  /** The pipeline's arguments, asked for at each start. */
  pipeline: () => readonly string[];
  env: NodeJS.ProcessEnv;
  /** Whether packets are VP8, with key frames that can be asked for by RTCP on the pipeline's stdin. */
  keyFrames: boolean;
  ssrc: number;
  /** What is captured, where it tells of its changes. Undefined: it always may change. */
  screen: DozeScreen | undefined;
}

/**
 * One capture and encode for all viewers: runs while there are any, and is started again when it dies. While nothing
 * changes it dozes, and gives a frame now and then.
 */
export class MediaSource implements PacketSource {
  readonly #options: MediaSourceOptions;
  readonly #logger: Logger;
  readonly #listeners = new Set<(packet: SourcePacket) => void>();
  readonly #meter = new BitrateMeter();
  #run: Run | undefined;
  #ending: Promise<void> = Promise.resolve();
  #starts = 0;
  #bytes = 0;
  #expectedTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #keyFrameTimer: NodeJS.Timeout | undefined;
  #keyFrameAskedAt = Number.NEGATIVE_INFINITY;
  #held = 0;
  #closed = false;

  constructor(options: MediaSourceOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger.child({ source: options.id });
  }

  get id(): string {
    return this.#options.id;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** How often the pipeline has been started. */
  get starts(): number {
    return this.#starts;
  }

  /** All that it has given, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** What it gives, in bits a second; 0 while that isn't known. */
  get bitrate(): number {
    return this.#run === undefined ? 0 : this.#meter.read(performance.now());
  }

  /** Starts the pipeline for somebody who is about to watch, so that the picture is there when asked for. */
  expect(): void {
    if (this.#closed || this.#listeners.size > 0) return;
    clearTimeout(this.#expectedTimer);
    this.#expectedTimer = setTimeout(() => {
      this.#expectedTimer = undefined;
      this.#reconcile();
    }, EXPECTED_MS);
    this.#reconcile();
  }

  /** Calls `listener` with each packet until the returned function is called. The first one starts the pipeline. */
  subscribe(listener: (packet: SourcePacket) => void): () => void {
    this.#listeners.add(listener);
    this.#run?.doze?.wake();
    clearTimeout(this.#expectedTimer);
    this.#expectedTimer = undefined;
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
      // What failed before it may not fail now: of another screen there may be a pipeline.
      this.#failures = 0;
      this.#reconcile();
    }
  }

  /** Ends the pipeline for good; resolves once its process is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#expectedTimer);
    this.#listeners.clear();
    this.#reconcile();
    await this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #reconcile(): void {
    const isWatched = this.#listeners.size > 0 || this.#expectedTimer !== undefined;
    const wanted = !this.#closed && this.#held === 0 && isWatched;
    if (!wanted) {
      clearTimeout(this.#restartTimer);
      this.#restartTimer = undefined;
      if (this.#run !== undefined) this.#end(this.#run);
    } else if (this.#run === undefined && this.#restartTimer === undefined && this.#failures < RESTARTS_MAX) {
      this.#start();
    }
  }

  #start(): void {
    const pipeline = this.#pipeline();
    if (pipeline === undefined) return;
    this.#starts += 1;
    const reader = new RtpStreamReader();
    const process = new GstProcess({
      pipeline,
      env: this.#options.env,
      logger: this.#logger,
      onOutput: (chunk) => {
        for (const packet of reader.read(chunk)) this.#deliver(packet, run);
      },
    });
    const run: Run = {
      epoch: Symbol(this.#options.id),
      process,
      startedAt: performance.now(),
      doze: this.#options.screen && new Doze(process, this.#options.screen),
    };
    this.#run = run;
    this.#meter.reset();
    // A pipeline's first frame is a key frame.
    this.#keyFrameAskedAt = run.startedAt;
    void process.exited.then((how) => {
      run.doze?.close();
      if (this.#run === run) this.#fail(run, how);
    });
    this.#logger.info({ start: this.#starts }, 'pipeline started');
  }

  #pipeline(): readonly string[] | undefined {
    try {
      return this.#options.pipeline();
    } catch (error) {
      this.#failures = RESTARTS_MAX;
      this.#logger.error({ err: error }, 'there is no such pipeline for this screen');
      return undefined;
    }
  }

  #end(run: Run): void {
    this.#run = undefined;
    run.doze?.close();
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

  #deliver(packet: RtpPacket, run: Run): void {
    if (run !== this.#run) return;
    this.#bytes += packet.payload.length;
    this.#meter.add(packet.payload.length, performance.now());
    if (packet.marker) run.doze?.frameCame();
    const startsKeyFrame = this.#options.keyFrames && startsVp8KeyFrame(packet.payload);
    const delivered = { ...packet, epoch: run.epoch, startsKeyFrame };
    for (const listener of this.#listeners) listener(delivered);
  }

  #askForKeyFrame(): void {
    this.#keyFrameAskedAt = performance.now();
    this.#run?.doze?.wake();
    this.#run?.process.write(pictureLossIndication(this.#options.ssrc));
  }
}

interface Run {
  epoch: symbol;
  process: GstProcess;
  startedAt: number;
  doze: Doze | undefined;
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
