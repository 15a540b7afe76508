// How the values of flags are read.
import { isIP } from 'node:net';
import { z } from 'zod';
import { IceServer, type ScreenSize } from '../../signaling/messages.ts';
import { ENCODER_SETTINGS, type VideoEncoding, videoPipeline } from './pipelines.ts';

type VideoEncodings = ReadonlyMap<string, VideoEncoding>;

/** A setting that was refused; the message says which and what would do. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FlagError';
  }
}

/** Reads one value. Throws FlagError when it isn't one that can be honoured; `says` is for the list of what is supported. */
export interface Reader<T> {
  isBoolean: boolean;
  says: string;
  fallback: T;
  read(value: string): T;
}

export function text(fallback: string): Reader<string> {
  return { isBoolean: false, says: 'TEXT', fallback, read: (value) => value };
}

/** The first is the default. */
export function only<const V extends readonly [string, ...string[]]>(...values: V): Reader<V[number]> {
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

export function boolean(fallback: boolean): Reader<boolean> {
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

export function integer(
  fallback: number,
  { min, max }: { min: number; max: number } = { min: 0, max: 999_999_999 },
): Reader<number> {
  return {
    isBoolean: false,
    says: 'INTEGER',
    fallback,
    read: (value) => {
      if (!/^\d{1,9}$/.test(value) || Number(value) < min || Number(value) > max) {
        throw new FlagError(`${JSON.stringify(value)} is not a whole number from ${min} to ${max}`);
      }
      return Number(value);
    },
  };
}

/** Below 0, as neko has it, means that the threshold is not looked at. */
export function fraction(fallback: number): Reader<number> {
  return {
    isBoolean: false,
    says: 'NUMBER',
    fallback,
    read: (value) => {
      if (!/^-?\d{1,6}(\.\d{1,6})?$/.test(value)) throw new FlagError(`${JSON.stringify(value)} is not a number`);
      return Number(value);
    },
  };
}

const MS_BY_UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** As Go writes them, such as 1m30s or 500ms; here in milliseconds. */
export function duration(fallback: number): Reader<number> {
  return {
    isBoolean: false,
    says: 'DURATION, such as 2s or 1m30s',
    fallback,
    read: (value) => {
      if (value === '0') return 0;
      if (!/^(\d{1,6}(\.\d{1,3})?(ms|s|m|h))+$/.test(value)) {
        throw new FlagError(`${JSON.stringify(value)} is not a duration`);
      }
      const parts = value.matchAll(/([\d.]+)(ms|s|m|h)/g);
      return [...parts].reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (MS_BY_UNIT[unit] ?? 0), 0);
    },
  };
}

/** Frames a second, as GStreamer writes them: 10/1. */
export function frameRate(fallback: number): Reader<number> {
  return {
    isBoolean: false,
    says: 'FRAMES/SECONDS',
    fallback,
    read: (value) => {
      const [, frames, seconds = '1'] = /^(\d{1,4})(?:\/(\d{1,4}))?$/.exec(value) ?? [];
      const framesPerSecond = Number(frames) / Number(seconds);
      if (!(framesPerSecond > 0 && framesPerSecond <= 60)) {
        throw new FlagError(`${JSON.stringify(value)} is not a frame rate`);
      }
      return framesPerSecond;
    },
  };
}

export function list(fallback: string[]): Reader<string[]> {
  return {
    isBoolean: false,
    says: 'A,B,...',
    fallback,
    read: (value) => value.split(',').filter((part) => part !== ''),
  };
}

export function addresses(): Reader<string[]> {
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

export function address(fallback: string): Reader<{ host: string; port: number }> {
  const read = (value: string): { host: string; port: number } => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(value) ?? [];
    if (port === undefined || Number(port) > 65_535) throw new FlagError(`${JSON.stringify(value)} is not HOST:PORT`);
    return { host: bracketed ?? (plain === undefined || plain === '' ? '0.0.0.0' : plain), port: Number(port) };
  };
  return { isBoolean: false, says: 'HOST:PORT', fallback: read(fallback), read };
}

export function screen(fallback: ScreenSize): Reader<ScreenSize> {
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

export function portRange(fallback: { min: number; max: number }): Reader<{ min: number; max: number }> {
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

export function iceServers(): Reader<IceServer[]> {
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
export function noIceServers(): Reader<IceServer[]> {
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

// Words and expressions, and nothing that could be more than one argument of the pipeline, or more than a value.
const SETTING = /^[-\w.+*/() ]{1,100}$/;
const VIDEO_ID = /^[\w.-]{1,64}$/;
const setting = z.string().regex(SETTING);

const Pipelines = z.record(
  z.string().regex(VIDEO_ID),
  z.strictObject({
    fps: setting,
    width: setting.optional(),
    height: setting.optional(),
    gst_encoder: z.literal('vp8enc'),
    gst_params: z.partialRecord(z.enum(ENCODER_SETTINGS), setting).optional(),
  }),
);

/** By the quality's id, in the order in which they were given. */
export function videoEncodings(fallback: VideoEncodings): Reader<VideoEncodings> {
  return {
    isBoolean: false,
    says: `'{"ID":{"fps":"25","width":"width/2","height":"height/2","gst_encoder":"vp8enc","gst_params":{"target-bitrate":"round(2000000)",...}},...}'`,
    fallback,
    read: (value) => {
      if (value === '' || value === '{}') return fallback;
      const pipelines = Pipelines.safeParse(parseJson(value));
      if (!pipelines.success) throw new FlagError(`cannot be honoured (${z.prettifyError(pipelines.error)})`);
      const encodings = Object.entries(pipelines.data).map(([id, pipeline]): [string, VideoEncoding] => {
        const { fps, width, height, gst_params: settings = {} } = pipeline;
        const size = width === undefined || height === undefined ? {} : { size: { width, height } };
        return [id, checked({ framesPerSecond: fps, ...size, settings })];
      });
      return new Map(encodings);
    },
  };
}

/** Evaluated once with a usual screen, so that a mistake is told at the start and not to the first viewer. */
function checked(encoding: VideoEncoding): VideoEncoding {
  try {
    videoPipeline(':0', encoding, { width: 1280, height: 720, rate: 30 });
    return encoding;
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : 'cannot be honoured');
  }
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
