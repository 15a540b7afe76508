import type { Screen } from '../protocol/session.ts';
import { SILENT_PIPELINE } from './silence.ts';

/** How one streamer is to run. Addresses and ports are the host's own. */
export interface NekoOptions {
  /** Its HTTP server; loopback, since the agent alone talks to it. */
  http: { host: string; port: number };
  display: string;
  screen: Screen;
  /** UDP ports for media, both ends included. Each viewer takes one per network interface. */
  udpPorts: { min: number; max: number };
  /** The addresses that viewers are to send to instead of the interfaces' own. */
  nat1to1: readonly string[];
  /** PulseAudio's source to record. */
  audioDevice: string | undefined;
  secrets: { adminPassword: string; userPassword: string };
  /** Settings by the names of neko's variables (NEKO_A_B for --a.b), which take the place of ours. */
  settings?: Readonly<Record<string, string>>;
  /** What it needs of the desktop: PATH, HOME, DISPLAY, XAUTHORITY, PULSE_SERVER. Anything of neko's own in it is overridden. */
  environment: Readonly<Record<string, string>>;
}

/** Bits a second that the encoder aims at for each pixel and frame: 2 Mbit/s at 1280x720 and 25 frames a second, neko's own figure. */
const BITS_PER_PIXEL = 0.087;

/**
 * neko's command line and environment. Every flag that we rely on is passed, since defaults change between releases (3.1.5 had
 * `session.cookie.enabled` and `session.implicit_hosting` on, the commits after it have them off); secrets go by environment only.
 * The embedded streamer takes the same.
 */
export function nekoCommand(options: NekoOptions): { args: string[]; env: Record<string, string> } {
  const flags: Record<string, string> = {
    'server.bind': `${options.http.host}:${options.http.port}`,
    'server.metrics': 'true',
    'server.path_prefix': '/',
    'server.proxy': 'false',
    'server.static': '',
    'desktop.display': options.display,
    'desktop.screen': `${options.screen.width}x${options.screen.height}@${options.screen.rate}`,
    // Input by XTEST: the other way needs neko's own driver inside Xorg.
    'desktop.input.enabled': 'false',
    'desktop.unminimize': 'true',
    'desktop.upload_drop': 'false',
    'desktop.file_chooser_dialog': 'false',
    'capture.video.display': options.display,
    'capture.video.codec': 'vp8',
    'capture.video.ids': 'main',
    'capture.video.pipelines': JSON.stringify({ main: videoPipeline(options.screen) }),
    'capture.audio.codec': 'opus',
    'capture.audio.device': options.audioDevice ?? '',
    'capture.audio.pipeline': options.audioDevice === undefined ? SILENT_PIPELINE : '',
    'capture.broadcast.autostart': 'false',
    'capture.microphone.enabled': 'false',
    'capture.screencast.enabled': 'false',
    'capture.webcam.enabled': 'false',
    'webrtc.icelite': 'true',
    'webrtc.icetrickle': 'true',
    'webrtc.epr': `${options.udpPorts.min}-${options.udpPorts.max}`,
    'webrtc.nat1to1': options.nat1to1.join(','),
    // Empty, or neko asks a public web service for its address when nat1to1 is empty.
    'webrtc.ip_retrieval_url': '',
    'webrtc.iceservers.frontend': '[]',
    // Ignored under icelite. But with both lists empty neko tells every client to ask a public STUN server.
    'webrtc.iceservers.backend': '[{"urls":[]}]',
    'webrtc.estimator.enabled': 'false',
    'member.provider': 'multiuser',
    'session.cookie.enabled': 'false',
    'session.implicit_hosting': 'false',
    'session.merciful_reconnect': 'true',
    'session.inactive_cursors': 'false',
    'session.private_mode': 'false',
    'session.locked_logins': 'false',
    'session.locked_controls': 'false',
    'session.control_protection': 'false',
    'session.heartbeat_interval': '10',
    'plugins.enabled': 'false',
  };
  // A flag would win over the variable.
  const { settings = {} } = options;
  const ours = Object.entries(flags).filter(([name]) => !Object.hasOwn(settings, variableOf(name)));
  return {
    args: ['serve', ...ours.map(([name, value]) => `--${name}=${value}`)],
    env: {
      ...options.environment,
      // With it on, the v2 API and a second video pipeline are kept alive.
      NEKO_LEGACY: 'false',
      // Built in, not loaded, and registered too late to be switched by flag.
      NEKO_CHAT_ENABLED: 'false',
      NEKO_FILETRANSFER_ENABLED: 'false',
      NEKO_OPENINAPP_ENABLED: 'false',
      NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: options.secrets.adminPassword,
      // An administrator of the REST API without a login, so that our own calls show up in nobody's list of who is here.
      NEKO_SESSION_API_TOKEN: options.secrets.adminPassword,
      // neko's default is "neko"; nobody is told this one.
      NEKO_MEMBER_MULTIUSER_USER_PASSWORD: options.secrets.userPassword,
      NO_COLOR: '1',
      ...settings,
    },
  };
}

/** neko's variable for one of its flags. */
function variableOf(flag: string): string {
  return `NEKO_${flag.toUpperCase().replaceAll('.', '_')}`;
}

/** neko's own default pipeline, at our rate, in the shape of `capture.video.pipelines`; all its values are strings. */
function videoPipeline(screen: Screen): object {
  const bitrate = Math.round(screen.width * screen.height * screen.rate * BITS_PER_PIXEL);
  return {
    fps: String(screen.rate),
    gst_encoder: 'vp8enc',
    gst_params: {
      // neko evaluates the values, and writes a number from a million up as 1e+06, which GStreamer doesn't read, unless it was rounded there.
      'target-bitrate': `round(${bitrate})`,
      'cpu-used': '4',
      'end-usage': 'cbr',
      threads: '4',
      deadline: '1',
      undershoot: '95',
      'buffer-size': '12288',
      'buffer-initial-size': '6144',
      'buffer-optimal-size': '9216',
      // A key frame a second, which is what a newcomer waits for at most.
      'keyframe-max-dist': String(screen.rate),
      'min-quantizer': '4',
      'max-quantizer': '20',
    },
  };
}
