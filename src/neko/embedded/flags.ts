// neko's own flags and environment: `--a.b value`, `--a.b=value`, a bare `--a.b` for a boolean, or NEKO_A_B; the flag wins.
// One that this streamer does not know, or cannot honour, stops it: half-obeyed settings are worse than none.
import {
  address,
  addresses,
  boolean,
  duration,
  fraction,
  frameRate,
  iceServers,
  integer,
  list,
  noIceServers,
  only,
  portRange,
  screen,
  text,
  videoEncodings,
  FlagError,
  type Reader,
} from './flag-readers.ts';
import { DEFAULT_ENCODING } from './pipelines.ts';
import { SILENT_PIPELINE } from '../silence.ts';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'disabled'] as const;

const FLAGS = {
  'server.bind': address('127.0.0.1:8080'),
  'server.path_prefix': only('/'),
  'server.proxy': boolean(false),
  'server.metrics': boolean(true),
  'server.pprof': only('false'),
  'server.cors': list([]),
  'server.static': only(''),
  'server.cert': only(''),
  'server.key': only(''),
  'desktop.display': text(''),
  'desktop.screen': screen({ width: 1280, height: 720, rate: 30 }),
  'desktop.input.enabled': boolean(false),
  'desktop.input.socket': text(''),
  'desktop.unminimize': boolean(true),
  'desktop.upload_drop': only('false'),
  'desktop.file_chooser_dialog': only('false'),
  'capture.video.display': text(''),
  'capture.video.codec': only('vp8'),
  'capture.video.ids': list([]),
  'capture.video.pipelines': videoEncodings(new Map([['main', DEFAULT_ENCODING]])),
  'capture.audio.device': text(''),
  'capture.audio.codec': only('opus'),
  'capture.audio.pipeline': only('', SILENT_PIPELINE),
  'capture.broadcast.autostart': boolean(false),
  'capture.screencast.enabled': boolean(false),
  'capture.screencast.rate': frameRate(10),
  'capture.screencast.quality': integer(60, { min: 1, max: 100 }),
  'capture.webcam.enabled': only('false'),
  'capture.microphone.enabled': boolean(false),
  'capture.microphone.device': text('audio_input'),
  'webrtc.icelite': boolean(false),
  'webrtc.icetrickle': only('true'),
  'webrtc.iceservers.frontend': iceServers(),
  'webrtc.iceservers.backend': noIceServers(),
  'webrtc.nat1to1': addresses(),
  'webrtc.ip_retrieval_url': only(''),
  'webrtc.epr': portRange({ min: 59_000, max: 59_100 }),
  'webrtc.udpmux': only('0', ''),
  'webrtc.tcpmux': only('0', ''),
  'webrtc.estimator.enabled': boolean(false),
  'webrtc.estimator.passive': boolean(false),
  'webrtc.estimator.debug': boolean(false),
  'webrtc.estimator.initial_bitrate': integer(1_000_000),
  'webrtc.estimator.read_interval': duration(2000),
  'webrtc.estimator.stable_duration': duration(12_000),
  'webrtc.estimator.unstable_duration': duration(6000),
  'webrtc.estimator.stalled_duration': duration(24_000),
  'webrtc.estimator.downgrade_backoff': duration(10_000),
  'webrtc.estimator.upgrade_backoff': duration(5000),
  'webrtc.estimator.diff_threshold': fraction(0.15),
  'member.provider': only('multiuser', 'noauth'),
  'member.multiuser.admin_password': text('admin'),
  'member.multiuser.user_password': text('neko'),
  'session.api_token': text(''),
  'session.private_mode': boolean(false),
  'session.locked_logins': boolean(false),
  'session.locked_controls': boolean(false),
  'session.control_protection': boolean(false),
  'session.implicit_hosting': boolean(false),
  'session.inactive_cursors': boolean(false),
  'session.merciful_reconnect': boolean(true),
  'session.heartbeat_interval': integer(10),
  'session.file': only(''),
  'session.cookie.enabled': only('false'),
  'plugins.enabled': only('false'),
  'chat.enabled': only('false'),
  'filetransfer.enabled': only('false'),
  'openinapp.enabled': only('false'),
  legacy: only('false'),
  debug: boolean(false),
  'log.level': only('info', ...LOG_LEVELS),
  'log.json': boolean(false),
  'log.nocolor': boolean(true),
  'log.time': only('unix', 'unixms', 'unixmicro'),
};

export type Flags = { readonly [K in keyof typeof FLAGS]: (typeof FLAGS)[K] extends Reader<infer T> ? T : never };
type FlagName = keyof typeof FLAGS;

// Nekogate's own variables begin alike; they are not for the streamer.
const NOT_OURS = new Set(['NEKO_BIN']);

/** All settings, from `args` (what follows `serve`) and `env`. Throws FlagError. */
export function readFlags(args: readonly string[], env: NodeJS.ProcessEnv): Flags {
  const given = new Map([...fromEnvironment(env), ...fromArguments(args)]);
  const values = Object.entries(FLAGS).map(([name, reader]) => {
    const setting = given.get(name);
    return [name, setting === undefined ? reader.fallback : readSetting(reader, setting)];
  });
  const flags: Flags = Object.fromEntries(values);
  const unknown = flags['capture.video.ids'].find((id) => !flags['capture.video.pipelines'].has(id));
  if (unknown !== undefined)
    throw new FlagError(`--capture.video.ids: there is no pipeline ${JSON.stringify(unknown)}`);
  return flags;
}

/** One line a flag. */
export function listFlags(): string {
  return Object.entries(FLAGS)
    .map(([name, reader]) => `  --${name} ${reader.says}`)
    .join('\n');
}

/** `source` is how it was given, for errors. */
interface Setting {
  source: string;
  value: string;
}

function readSetting(reader: Reader<unknown>, setting: Setting): unknown {
  try {
    return reader.read(setting.value);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw new FlagError(`${setting.source}: ${error.message}; the embedded streamer takes ${reader.says}`);
  }
}

function fromEnvironment(env: NodeJS.ProcessEnv): [string, Setting][] {
  const byVariable = new Map(Object.keys(FLAGS).map((name) => [variableOf(name), name]));
  return Object.entries(env).flatMap(([variable, value]) => {
    if (!variable.startsWith('NEKO_') || NOT_OURS.has(variable) || value === undefined) return [];
    const name = byVariable.get(variable);
    if (name === undefined) throw unsupported(variable);
    return [[name, { source: variable, value }]];
  });
}

function fromArguments(args: readonly string[]): [string, Setting][] {
  const settings: [string, Setting][] = [];
  const rest = args.values();
  for (const argument of rest) {
    const [, name = '', value] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (!isFlagName(name)) throw unsupported(name === '' ? argument : `--${name}`);
    settings.push([name, { source: `--${name}`, value: value ?? impliedValue(name, rest) }]);
  }
  return settings;
}

function impliedValue(name: FlagName, rest: Iterator<string>): string {
  if (FLAGS[name].isBoolean) return 'true';
  const next = rest.next();
  if (next.done === true) throw new FlagError(`--${name} needs a value`);
  return next.value;
}

function unsupported(what: string): FlagError {
  return new FlagError(`${what} is not supported by the embedded streamer`);
}

function isFlagName(name: string): name is FlagName {
  return Object.hasOwn(FLAGS, name);
}

function variableOf(name: string): string {
  return `NEKO_${name.toUpperCase().replaceAll('.', '_')}`;
}
