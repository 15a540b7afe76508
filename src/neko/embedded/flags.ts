// neko's own flags and environment: `--a.b value`, `--a.b=value`, a bare `--a.b` for a boolean, or NEKO_A_B; the flag wins.
// One that this streamer does not know, or cannot honour, stops it: half-obeyed settings are worse than none.
import { isIP } from 'node:net';
import { z } from 'zod';
import { IceServer, type ScreenSize } from '../../signaling/messages.ts';
import { DEFAULT_ENCODING, ENCODER_SETTINGS, type VideoEncoding } from './pipelines.ts';
import { SILENT_PIPELINE } from '../silence.ts';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'disabled'] as const;

/** A setting that was refused; the message says which and what would do. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FlagError';
  }
}

/** Reads one value. Throws FlagError when it isn't one that can be honoured; `says` is for the list of what is supported. */
interface Reader<T> {
  isBoolean: boolean;
  says: string;
  fallback: T;
  read(value: string): T;
}

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
  'desktop.input.enabled': only('false'),
  'desktop.input.socket': text(''),
  'desktop.unminimize': boolean(true),
  'desktop.upload_drop': only('false'),
  'desktop.file_chooser_dialog': only('false'),
  'capture.video.display': text(''),
  'capture.video.codec': only('vp8'),
  'capture.video.ids': only('main', ''),
  'capture.video.pipelines': videoEncoding(DEFAULT_ENCODING),
  'capture.audio.device': text(''),
  'capture.audio.codec': only('opus'),
  'capture.audio.pipeline': only('', SILENT_PIPELINE),
  'capture.broadcast.autostart': boolean(false),
  'capture.screencast.enabled': only('false'),
  'capture.webcam.enabled': only('false'),
  'capture.microphone.enabled': only('false'),
  'webrtc.icelite': boolean(false),
  'webrtc.icetrickle': only('true'),
  'webrtc.iceservers.frontend': iceServers(),
  'webrtc.iceservers.backend': noIceServers(),
  'webrtc.nat1to1': addresses(),
  'webrtc.ip_retrieval_url': only(''),
  'webrtc.epr': portRange({ min: 59_000, max: 59_100 }),
  'webrtc.udpmux': only('0', ''),
  'webrtc.tcpmux': only('0', ''),
  'webrtc.estimator.enabled': only('false'),
  'member.provider': only('multiuser', 'noauth'),
  'member.multiuser.admin_password': text('admin'),
  'member.multiuser.user_password': text('neko'),
  'session.api_token': text(''),
  'session.private_mode': only('false'),
  'session.locked_logins': boolean(false),
  'session.locked_controls': boolean(false),
  'session.control_protection': only('false'),
  'session.implicit_hosting': boolean(false),
  'session.inactive_cursors': only('false'),
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
  return Object.fromEntries(values);
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

function text(fallback: string): Reader<string> {
  return { isBoolean: false, says: 'TEXT', fallback, read: (value) => value };
}

/** The first is the default. */
function only<const V extends readonly [string, ...string[]]>(...values: V): Reader<V[number]> {
  return {
    isBoolean: values.every((value) => value === 'false' || value === 'true'),
    says: values.map((value) => (value === '' ? "''" : value)).join('|'),
    fallback: values[0],
    read: (value) => {
      const found = values.find((one) => one === value);
      if (found === undefined) throw new FlagError(`${JSON.stringify(value)} cannot be honoured`);
      return found;
    },
  };
}

function boolean(fallback: boolean): Reader<boolean> {
  return {
    isBoolean: true,
    says: 'true|false',
    fallback,
    read: (value) => {
      if (['true', '1', 't', 'T', 'TRUE', 'True'].includes(value)) return true;
      if (['false', '0', 'f', 'F', 'FALSE', 'False'].includes(value)) return false;
      throw new FlagError(`${JSON.stringify(value)} is not a boolean`);
    },
  };
}

function integer(fallback: number): Reader<number> {
  return {
    isBoolean: false,
    says: 'INTEGER',
    fallback,
    read: (value) => {
      if (!/^\d{1,9}$/.test(value)) throw new FlagError(`${JSON.stringify(value)} is not a whole number`);
      return Number(value);
    },
  };
}

function list(fallback: string[]): Reader<string[]> {
  return {
    isBoolean: false,
    says: 'A,B,...',
    fallback,
    read: (value) => value.split(',').filter((part) => part !== ''),
  };
}

function addresses(): Reader<string[]> {
  return {
    isBoolean: false,
    says: 'ADDRESS,...',
    fallback: [],
    read: (value) => {
      const parts = value.split(',').filter((part) => part !== '');
      const wrong = parts.find((part) => isIP(part) === 0);
      if (wrong !== undefined) throw new FlagError(`${JSON.stringify(wrong)} is not an IP address`);
      return parts;
    },
  };
}

function address(fallback: string): Reader<{ host: string; port: number }> {
  const read = (value: string): { host: string; port: number } => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(value) ?? [];
    if (port === undefined || Number(port) > 65_535) throw new FlagError(`${JSON.stringify(value)} is not HOST:PORT`);
    return { host: bracketed ?? (plain === undefined || plain === '' ? '0.0.0.0' : plain), port: Number(port) };
  };
  return { isBoolean: false, says: 'HOST:PORT', fallback: read(fallback), read };
}

function screen(fallback: ScreenSize): Reader<ScreenSize> {
  return {
    isBoolean: false,
    says: 'WIDTHxHEIGHT@RATE',
    fallback,
    read: (value) => {
      const [, width, height, rate] = /^(\d{1,5})x(\d{1,5})@(\d{1,3})$/.exec(value) ?? [];
      if (width === undefined) throw new FlagError(`${JSON.stringify(value)} is not a screen`);
      return { width: Number(width), height: Number(height), rate: Number(rate) };
    },
  };
}

function portRange(fallback: { min: number; max: number }): Reader<{ min: number; max: number }> {
  return {
    isBoolean: false,
    says: 'MIN-MAX',
    fallback,
    read: (value) => {
      const [, min, max] = /^(\d{1,5})-(\d{1,5})$/.exec(value) ?? [];
      const range = { min: Number(min), max: Number(max) };
      if (min === undefined || range.min < 1 || range.max > 65_535 || range.min > range.max) {
        throw new FlagError(`${JSON.stringify(value)} is not a range of ports`);
      }
      return range;
    },
  };
}

function iceServers(): Reader<IceServer[]> {
  return {
    isBoolean: false,
    says: `'[{"urls":["turn:..."],"username":"...","credential":"..."}]'`,
    fallback: [],
    read: (value) => {
      const servers = z.array(IceServer).safeParse(parseJson(value));
      // What was given holds credentials: the error doesn't repeat it.
      if (!servers.success) throw new FlagError('not a list of ICE servers');
      return servers.data;
    },
  };
}

/** Under icelite the backend's servers are ignored, as neko ignores them, so only a list without addresses is honest. */
function noIceServers(): Reader<IceServer[]> {
  const anyServers = iceServers();
  return {
    isBoolean: false,
    says: '[]',
    fallback: [],
    read: (value) => {
      const servers = value === '' ? [] : anyServers.read(value);
      if (servers.some((server) => (server.urls ?? []).length > 0))
        throw new FlagError('cannot use STUN or TURN itself');
      return servers;
    },
  };
}

const SETTING = /^(?:-?[a-z0-9]{1,12}|round\(\d{1,12}\))$/;
const plainValue = (value: string): string => value.replace(/^round\((\d+)\)$/, '$1');

const Pipelines = z.strictObject({
  main: z.strictObject({
    fps: z.string().regex(/^([1-9]|[1-5]\d|60)$/),
    gst_encoder: z.literal('vp8enc'),
    gst_params: z.partialRecord(z.enum(ENCODER_SETTINGS), z.string().regex(SETTING).transform(plainValue)).optional(),
  }),
});

/** neko evaluates expressions of the screen's size in them; plain values are enough here, and `round(N)`, as neko needs its large numbers. */
function videoEncoding(fallback: VideoEncoding): Reader<VideoEncoding> {
  return {
    isBoolean: false,
    says: `'{"main":{"fps":"25","gst_encoder":"vp8enc","gst_params":{"target-bitrate":"round(2000000)",...}}}', plain values only`,
    fallback,
    read: (value) => {
      if (value === '' || value === '{}') return fallback;
      const pipelines = Pipelines.safeParse(parseJson(value));
      if (!pipelines.success) throw new FlagError(`cannot be honoured (${z.prettifyError(pipelines.error)})`);
      const { fps, gst_params: settings = {} } = pipelines.data.main;
      return { framesPerSecond: Number(fps), settings };
    },
  };
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
