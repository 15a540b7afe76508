import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError, messageOf } from '../../errors.ts';
import { Child, describeExit } from '../../process/child.ts';
import { findExecutable } from '../../process/executable.ts';
import type { DesktopEnvironment } from '../environment.ts';
import { displayEnvironment } from '../environment.ts';

/** Its first start in a new home looks at every plugin. */
const READY_MS = 30_000;
const READY_POLL_MS = 20;
/** Time for the last pictures and the index; then it is cut. A container has ten seconds to end in all. */
const FINISH_MS = 5000;
/** A crash takes what came after the last fragment. */
const FRAGMENT_MS = 1000;
/** Players can go to any picture by way of the key frame before it. */
const KEY_FRAME_SECONDS = 2;
/** x264's own default is one and a half for each processor of the host, of which this is one session. */
const THREADS = 2;
/** x264's measure: smaller is better and longer; letters are sharp at 24, and still screens cost next to nothing. */
const QUANTIZER = 24;
const PEAK_KILOBITS = 8000;
/** Packages by what gst-launch misses. */
const PACKAGES: Readonly<Record<string, string>> = { x264enc: 'gstreamer1.0-plugins-ugly' };

/** Pixels. */
export interface Size {
  width: number;
  height: number;
}

export interface EncoderOptions {
  environment: DesktopEnvironment;
  display: string;
  size: Size;
  fps: number;
  /** The PulseAudio source that is recorded. */
  audioDevice: string | undefined;
  file: string;
}

/** A screen's part that video can be made of: H.264's pictures have even sides. */
export function evenSize({ width, height }: Size): Size {
  return { width: width - (width % 2), height: height - (height % 2) };
}

/** One gst-launch-1.0 that writes the screen, and the sound, to an MP4 file. */
export class RecordingEncoder {
  /** Resolves once it is gone, with how; undefined when that was well and the file is whole. */
  readonly ended: Promise<string | undefined>;
  readonly #child: Child;

  /** Resolves once it writes. @throws GatewayError DEPENDENCY_MISSING | TOOLS_FAILED; the signal's reason */
  static async start(options: EncoderOptions, signal: AbortSignal): Promise<RecordingEncoder> {
    const { environment, display, file } = options;
    const program = findExecutable('gst-launch-1.0', environment.path);
    if (program === undefined) throw missing('gst-launch-1.0', 'gstreamer1.0-tools');
    try {
      const child = await Child.start(
        {
          name: 'the encoder',
          file: program,
          // -e: SIGINT ends the stream, and with it the file, before the program.
          args: ['-e', '-q', ...pipelineOf(options)],
          env: displayEnvironment(environment, display),
          cwd: environment.folder.run,
          readyMs: READY_MS,
        },
        (_child, untilExit) => untilWritten(file, untilExit),
        signal,
      );
      return new RecordingEncoder(child);
    } catch (cause) {
      signal.throwIfAborted();
      const element = /no element "(\w+)"/.exec(messageOf(cause))?.[1];
      if (element !== undefined) throw missing(element, PACKAGES[element]);
      throw new GatewayError('TOOLS_FAILED', `the recording did not start: ${messageOf(cause)}`, { cause });
    }
  }

  private constructor(child: Child) {
    this.#child = child;
    this.ended = child.exited.then(async (exit) => {
      await child.stop();
      if (exit.kind === 'code' && exit.code === 0) return undefined;
      return [`the encoder ${describeExit(exit)}`, ...child.log.last(5)].join('\n');
    });
  }

  /** Has it write the file's end; one that takes too long is killed. Resolves once it is gone. Idempotent. */
  async finish(): Promise<void> {
    const pid = this.#child.identity?.pid;
    if (pid !== undefined) interrupt(pid);
    const finished = new AbortController();
    const late = sleep(FINISH_MS, undefined, { signal: finished.signal }).catch(() => undefined);
    await Promise.race([this.ended, late]).finally(() => finished.abort());
    await this.#child.stop();
  }
}

function interrupt(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // ESRCH: it went by itself.
  }
}

/**
 * The file is made of fragments, each playable once it is written; at its end come the length and an index of them. (mp4mux's other mode, which
 * ends with a plain MP4, leaves files that FFmpeg can't open when it is cut while there is sound: 1.22.) Frames that come faster than they are encoded are
 * dropped, for the desktop comes first.
 */
function pipelineOf({ display, size, fps, audioDevice, file }: EncoderOptions): string[] {
  const video = `ximagesrc display-name=${display} show-pointer=true use-damage=false endx=${size.width - 1} endy=${size.height - 1}
    ! video/x-raw,framerate=${fps}/1
    ! queue leaky=downstream max-size-buffers=3 max-size-bytes=0 max-size-time=0
    ! videoconvert n-threads=${THREADS} ! video/x-raw,format=I420
    ! x264enc speed-preset=superfast threads=${THREADS} pass=qual quantizer=${QUANTIZER} bitrate=${PEAK_KILOBITS}
      key-int-max=${KEY_FRAME_SECONDS * fps} bframes=0
    ! video/x-h264,profile=main ! queue ! mux.`;
  // Opus, which browsers play in MP4 too. The sound server's clock isn't taken, for it stands still when that is lost.
  const audio = `client-name=recording provide-clock=false buffer-time=40000 latency-time=20000 ! audio/x-raw,channels=2 ! audioconvert ! audioresample
    ! queue ! opusenc bitrate=128000 ! queue ! mux.`;
  return [
    ...words(`mp4mux name=mux fragment-duration=${FRAGMENT_MS} ! filesink buffer-mode=unbuffered`),
    `location=${file}`,
    ...words(video),
    ...(audioDevice === undefined ? [] : ['pulsesrc', `device=${audioDevice}`, ...words(audio)]),
  ];
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

async function untilWritten(file: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const written = await stat(file).catch(() => undefined);
    if (written && written.size > 0) return;
    await sleep(READY_POLL_MS, undefined, { signal });
  }
}

function missing(what: string, packageName = 'the GStreamer package that has it'): GatewayError {
  return new GatewayError('DEPENDENCY_MISSING', `recording needs ${what}; install: apt-get install ${packageName}`);
}
