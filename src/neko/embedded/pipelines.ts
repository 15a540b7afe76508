// The GStreamer pipelines. RTP leaves on stdout, each packet with its length in front (RFC 4571), and RTCP comes in on
// stdin: unlike UDP on loopback, a pipe loses nothing, needs no port, and nobody else on the machine can write to it.

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

export interface VideoEncoding {
  framesPerSecond: number;
  settings: Partial<Record<(typeof ENCODER_SETTINGS)[number], string>>;
}

/** neko's default pipeline, but for the distance between key frames: here they come when somebody needs one. */
export const DEFAULT_ENCODING: VideoEncoding = {
  framesPerSecond: 25,
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

/** Screen → VP8; key frames also when asked for by RTCP. */
export function videoPipeline(display: string, encoding: VideoEncoding): string[] {
  const settings = Object.entries({ ...BASE_SETTINGS, ...encoding.settings }).map(
    ([name, value]) => `${name}=${value}`,
  );
  return words(
    `rtpbin name=rtp
     ximagesrc display-name=${display} show-pointer=false use-damage=false
     ! video/x-raw,framerate=${encoding.framesPerSecond}/1
     ! videoconvert n-threads=2 ! video/x-raw,format=I420
     ! queue leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0
     ! vp8enc ${settings.join(' ')}
     ! rtpvp8pay pt=${VIDEO.payloadType} ssrc=${VIDEO.ssrc} mtu=${MTU_BYTES}
     ! rtp.send_rtp_sink_0
     rtp.send_rtp_src_0 ! rtpstreampay ! fdsink fd=1 sync=false async=false
     fdsrc fd=0 do-timestamp=true ! application/x-rtcp ! rtp.recv_rtcp_sink_0`,
  );
}

/** A PulseAudio source → Opus. */
export function audioPipeline(device: string): string[] {
  return [
    'pulsesrc',
    `device=${device}`,
    ...words(
      `client-name=neko buffer-time=40000 latency-time=10000
       ! audio/x-raw,channels=2 ! audioconvert ! audioresample
       ! queue leaky=downstream max-size-time=200000000
       ! opusenc inband-fec=true bitrate=128000 frame-size=20
       ! rtpopuspay pt=${AUDIO.payloadType} ssrc=${AUDIO.ssrc} mtu=${MTU_BYTES}
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
