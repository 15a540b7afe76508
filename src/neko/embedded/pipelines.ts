// The GStreamer pipelines. RTP leaves on stdout, each packet with its length in front (RFC 4571), and RTCP comes in on
// stdin: unlike UDP on loopback, a pipe loses nothing, needs no port, and nobody else on the machine can write to it.

import type { ScreenSize } from '../../signaling/messages.ts';
import { evaluate, type Values } from './expression.ts';

export const VIDEO = { ssrc: 0x6e656b6f, clockRate: 90_000, payloadType: 96 } as const;
export const AUDIO = { ssrc: 0x6f707573, clockRate: 48_000, payloadType: 111 } as const;

// Room for SRTP, UDP, IP and a tunnel under the usual 1500.
const MTU_BYTES = 1200;

/** The encoder's settings that may be chosen, by vp8enc's own names. */
export const ENCODER_SETTINGS = [
  'buffer-initial-size',
  'buffer-optimal-size',
  'buffer-size',
  'cpu-used',
  'deadline',
  'drop-frame',
  'dropframe-threshold',
  'end-usage',
  'error-resilient',
  'keyframe-max-dist',
  'max-quantizer',
  'min-quantizer',
  'overshoot',
  'sharpness',
  'static-threshold',
  'target-bitrate',
  'threads',
  'token-partitions',
  'undershoot',
] as const;

/** One quality of the picture. Values are words, or expressions of the screen's size and rate (see expression.ts). */
export interface VideoEncoding {
  framesPerSecond: string;
  /** Left out: the screen's own. */
  size?: { width: string; height: string };
  settings: Partial<Record<(typeof ENCODER_SETTINGS)[number], string>>;
}

/** neko's default pipeline, but for the distance between key frames: here they come when somebody needs one. */
export const DEFAULT_ENCODING: VideoEncoding = {
  framesPerSecond: '25',
  settings: {
    'target-bitrate': '1996800',
    'cpu-used': '4',
    'end-usage': 'cbr',
    threads: '4',
    deadline: '1',
    undershoot: '95',
    'buffer-size': '12288',
    'buffer-initial-size': '6144',
    'buffer-optimal-size': '9216',
    'keyframe-max-dist': '300',
    'min-quantizer': '4',
    'max-quantizer': '20',
  },
};

// What is left of a frame when a part of it is lost can be decoded; blocks that hardly change cost nothing.
const BASE_SETTINGS: VideoEncoding['settings'] = {
  'error-resilient': 'partitions',
  'token-partitions': '2',
  'static-threshold': '20',
};
const SIDE_MIN_PX = 16;
const FRAMES_PER_SECOND_MAX = 60;

/** Screen → VP8; key frames also when asked for by RTCP. Throws RangeError for a size or rate that cannot be. */
export function videoPipeline(display: string, encoding: VideoEncoding, screen: ScreenSize): string[] {
  const values = { width: screen.width, height: screen.height, fps: screen.rate };
  const rate = evaluate(encoding.framesPerSecond, values) ?? Number.NaN;
  if (!(rate > 0 && rate <= FRAMES_PER_SECOND_MAX)) throw new RangeError(`${rate} frames a second cannot be had`);
  const settings = Object.entries({ ...BASE_SETTINGS, ...encoding.settings }).map(
    ([name, value]) => `${name}=${evaluate(value, values) ?? wordOf(value)}`,
  );
  return words(
    `rtpbin name=rtp
     ximagesrc display-name=${display} show-pointer=false use-damage=false
     ! video/x-raw,framerate=${Math.trunc(rate * 100)}/100
     ${scaler(encoding, values)}
     ! videoconvert n-threads=2 ! video/x-raw,format=I420
     ! queue leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
     ! vp8enc ${settings.join(' ')}
     ! rtpvp8pay pt=${VIDEO.payloadType} ssrc=${VIDEO.ssrc} mtu=${MTU_BYTES}
     ! rtp.send_rtp_sink_0
     rtp.send_rtp_src_0 ! rtpstreampay ! fdsink fd=1 sync=false async=false
     fdsrc fd=0 do-timestamp=true ! application/x-rtcp ! rtp.recv_rtcp_sink_0`,
  );
}

/** Throws for more than a word, which would be another part of the pipeline. */
function wordOf(value: string): string {
  if (!/^[\w.-]+$/.test(value)) throw new RangeError(`${JSON.stringify(value)} is neither an expression nor a word`);
  return value;
}

function scaler({ size }: VideoEncoding, values: Values): string {
  if (size === undefined) return '';
  const [width = 0, height = 0] = [size.width, size.height].map((side) => Math.trunc(evaluate(side, values) ?? 0));
  if (width < SIDE_MIN_PX || height < SIDE_MIN_PX) throw new RangeError(`a picture cannot be ${width}x${height}`);
  // neko's: the nearest pixel.
  return `! videoscale method=nearest-neighbour ! video/x-raw,width=${width},height=${height}`;
}

/** Opus as RTP on stdin, each packet with its length in front → a PulseAudio sink. */
export function microphonePipeline(device: string): string[] {
  return [
    ...words(
      `fdsrc fd=0 do-timestamp=true
       ! application/x-rtp-stream,media=audio,clock-rate=${AUDIO.clockRate},encoding-name=OPUS,payload=${AUDIO.payloadType}
       ! rtpstreamdepay ! rtpopusdepay ! opusdec plc=true ! audioconvert ! audioresample
       ! queue leaky=downstream max-size-time=200000000
       ! pulsesink client-name=neko buffer-time=80000 latency-time=10000 sync=false`,
    ),
    `device=${device}`,
  ];
}

/** A PulseAudio source → Opus; of silence, hardly a packet. */
export function audioPipeline(device: string): string[] {
  return [
    'pulsesrc',
    `device=${device}`,
    ...words(
      `client-name=neko buffer-time=40000 latency-time=20000
       ! audio/x-raw,channels=2 ! audioconvert ! audioresample
       ! queue leaky=downstream max-size-time=200000000
       ! opusenc inband-fec=true bitrate=128000 frame-size=20 dtx=true
       ! rtpopuspay dtx=true pt=${AUDIO.payloadType} ssrc=${AUDIO.ssrc} mtu=${MTU_BYTES}
       ! rtpstreampay ! fdsink fd=1 sync=false async=false`,
    ),
  ];
}

/** Raw pictures on stdin → JPEGs on stdout. */
export function jpegPipeline(width: number, height: number, quality: number): string[] {
  return words(
    `fdsrc fd=0 blocksize=${width * height * 4}
     ! rawvideoparse width=${width} height=${height} format=bgrx framerate=0/1
     ! videoconvert ! jpegenc quality=${quality} ! fdsink fd=1 sync=false async=false`,
  );
}

/** gst-launch takes its pipeline as one argument a word. */
function words(pipeline: string): string[] {
  return pipeline.split(/\s+/).filter((word) => word !== '');
}
