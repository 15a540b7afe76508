import type { Logger } from 'pino';
import { GstProcess } from './gst-process.ts';
import { microphonePipeline } from './pipelines.ts';

// The sound server may come back; what is said until then is lost.
const RESTART_MS = 5000;
// A sound server that doesn't read must not fill our memory: what comes meanwhile is lost.
const PACKET_MAX_BYTES = 1500;

/** Plays what one viewer says into a PulseAudio sink, whose monitor programs take for a microphone. The latest speaker has it. */
export class Microphone implements AsyncDisposable {
  readonly #device: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #logger: Logger;
  #speaker: Speaker | undefined;
  #ending: Promise<void> = Promise.resolve();
  #starts = 0;
  #packets = 0;
  #bytes = 0;

  constructor(device: string, env: NodeJS.ProcessEnv, logger: Logger) {
    this.#device = device;
    this.#env = env;
    this.#logger = logger.child({ source: 'microphone' });
  }

  get isRunning(): boolean {
    return this.#speaker !== undefined && this.#speaker.diedAt === undefined;
  }

  get counts(): { starts: number; packets: number; bytes: number } {
    return { starts: this.#starts, packets: this.#packets, bytes: this.#bytes };
  }

  /** Takes the microphone from who has it; returns what plays a packet (RTP with Opus) and what gives it back. */
  open(): { write: (rtp: Buffer) => void; close: () => void } {
    this.#end();
    const speaker: Speaker = { process: this.#start(), diedAt: undefined };
    this.#speaker = speaker;
    this.#watch(speaker);
    this.#logger.info('microphone opened');
    return {
      write: (rtp) => this.#write(speaker, rtp),
      close: () => {
        if (this.#speaker === speaker) this.#end();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#ending;
  }

  #start(): GstProcess {
    this.#starts += 1;
    return new GstProcess({
      pipeline: microphonePipeline(this.#device),
      env: this.#env,
      logger: this.#logger,
      onOutput: () => undefined,
    });
  }

  #watch(speaker: Speaker): void {
    void speaker.process.exited.then((how) => {
      if (this.#speaker !== speaker) return;
      speaker.diedAt = performance.now();
      this.#logger.warn({ how }, 'the microphone’s pipeline died');
    });
  }

  #write(speaker: Speaker, rtp: Buffer): void {
    if (this.#speaker !== speaker || rtp.length > PACKET_MAX_BYTES) return;
    if (speaker.diedAt !== undefined && performance.now() - speaker.diedAt > RESTART_MS) {
      speaker.process = this.#start();
      speaker.diedAt = undefined;
      this.#watch(speaker);
    }
    if (speaker.diedAt !== undefined || speaker.process.isFull) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(rtp.length);
    speaker.process.write(Buffer.concat([length, rtp]));
    this.#packets += 1;
    this.#bytes += rtp.length;
  }

  #end(): void {
    const speaker = this.#speaker;
    if (speaker === undefined) return;
    this.#speaker = undefined;
    const before = this.#ending;
    this.#ending = Promise.all([before, speaker.process.stop()]).then(() => this.#logger.info('microphone closed'));
  }
}

interface Speaker {
  process: GstProcess;
  diedAt: number | undefined;
}
