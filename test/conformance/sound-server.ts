import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RtpPacket } from 'werift';
import { temporaryFolder } from '../harness/folder.ts';

/** What a streamer records, and the sink that its viewers' microphones play into: neko's own default names. */
export const AUDIO_DEVICE = 'audio_output.monitor';
const MICROPHONE = 'audio_input';
const LEVEL = ['level', 'interval=100000000', '!', 'fakesink'];
const HEARD_DB = -30;
const TONE_DB = -12;

/** A sound server of the suite's own: a sink that programs play into, and one for microphones. */
export class SoundServer implements AsyncDisposable {
  readonly environment: { PULSE_SERVER: string };
  readonly #stop: () => Promise<void>;

  static async start(): Promise<SoundServer> {
    const folder = await temporaryFolder();
    const socket = join(folder.path, 'pulse.sock');
    const environment = { PATH: '/usr/bin:/bin', HOME: folder.path, XDG_RUNTIME_DIR: folder.path };
    const child = spawn(
      'pulseaudio',
      [
        ['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--realtime=no', '--high-priority=no'],
        ['--load', 'module-null-sink sink_name=audio_output rate=48000'],
        ['--load', `module-null-sink sink_name=${MICROPHONE} rate=48000`],
        ['--load', `module-native-protocol-unix socket=${socket} auth-anonymous=1`],
      ].flat(),
      { stdio: 'ignore', env: environment },
    );
    const ended = once(child, 'exit');
    await untilThere(socket);
    return new SoundServer(`unix:${socket}`, async () => {
      child.kill('SIGTERM');
      await ended;
      await folder[Symbol.asyncDispose]();
    });
  }

  private constructor(server: string, stop: () => Promise<void>) {
    this.environment = { PULSE_SERVER: server };
    this.#stop = stop;
  }

  /** A tone that plays on the desktop until it is disposed of. */
  playTone(): AsyncDisposable {
    return this.#gst([
      'audiotestsrc',
      'is-live=true',
      'freq=440',
      'volume=0.8',
      '!',
      'pulsesink',
      'device=audio_output',
    ]);
  }

  /** Resolves once something can be heard at the microphone's sink, with how loud it is in dB. */
  async microphonePeak(): Promise<number> {
    await using listening = this.#gst(['pulsesrc', `device=${MICROPHONE}.monitor`, '!', ...LEVEL]);
    for await (const peak of listening.peaks()) if (peak > HEARD_DB) return peak;
    throw new Error('nothing was heard');
  }

  /** How loud these packets of Opus become, decoded, in dB; resolves at the first moment as loud as a tone. */
  async peakOf(packets: readonly RtpPacket[]): Promise<number> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    await new Promise<void>((resolve) => socket.close(resolve));
    const caps = 'application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=111';
    const source = ['udpsrc', 'address=127.0.0.1', `port=${port}`, `caps=${caps}`];
    await using decoding = this.#gst([source, '!', 'rtpopusdepay', '!', 'opusdec', '!', LEVEL].flat());
    await decoding.playing();
    const sender = createSocket('udp4');
    for (const packet of packets) sender.send(packet.serialize(), port, '127.0.0.1');
    try {
      for await (const peak of decoding.peaks()) if (peak > TONE_DB) return peak;
      throw new Error('no tone was heard');
    } finally {
      sender.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }

  #gst(pipeline: string[]): GstTool {
    return new GstTool(pipeline, this.environment);
  }
}

/** One pipeline of GStreamer's, ended with its owner. */
class GstTool implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  constructor(pipeline: string[], environment: Readonly<Record<string, string>>) {
    this.#child = spawn('gst-launch-1.0', ['-m', ...pipeline], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: '/usr/bin:/bin', ...environment },
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#ended = once(this.#child, 'exit');
  }

  /** Resolves once it takes what comes. */
  async playing(): Promise<void> {
    for await (const line of this.#rest()) if (line.includes('to PLAYING')) return;
  }

  /** What its level element tells, in dB. */
  async *peaks(): AsyncGenerator<number> {
    for await (const line of this.#rest()) {
      const [, peak] = /peak=\(GValueArray\)<? ?([-\d.]+)/.exec(line) ?? [];
      if (peak !== undefined) yield Number(peak);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  /** Leaving a loop over it leaves the lines after that for the next. */
  async *#rest(): AsyncGenerator<string> {
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next()) yield next.value;
  }
}

async function untilThere(path: string): Promise<void> {
  for (;;) {
    try {
      return await access(path);
    } catch {
      // ENOENT until it listens; the case's own time ends this.
      await sleep(20);
    }
  }
}
