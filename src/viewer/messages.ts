// What the viewer reads of neko's messages (src/signaling/messages.ts has them all), checked by hand so that no schema library
// is sent to browsers. A message that is malformed or that nobody here reads is undefined.
import type { FromServerEvent } from '../signaling/messages.ts';

export interface Member {
  readonly id: string;
  readonly name: string;
  /** What its profile allows, as its role or the streamer decides. */
  readonly rights: Rights;
  readonly isWatching: boolean;
}

export interface Rights {
  readonly canWatch: boolean;
  readonly canHost: boolean;
  readonly canAccessClipboard: boolean;
  readonly canShareMedia: boolean;
  readonly canResize: boolean;
}

export interface Settings {
  readonly lockedControls: boolean;
  readonly implicitHosting: boolean;
}

/** The desktop's size in pixels; `rate` in frames a second. */
export interface Screen {
  readonly width: number;
  readonly height: number;
  readonly rate: number;
}

/** Which of its pictures the streamer sends this viewer; `isAuto` where it chooses by what the link carries. */
export interface VideoChoice {
  readonly id: string;
  readonly isAuto: boolean;
}

/** A program at the same desktop, and until when (by Date.now()) it keeps what it has unless it acts again. */
export interface Program {
  readonly id: string;
  readonly name: string;
  readonly isDriving: boolean;
  readonly untilMs: number;
}

type Shapes = {
  'system/init': {
    sessionId: string;
    hostId: string | undefined;
    screen: Screen;
    members: Member[];
    settings: Settings;
    /** Whether the desktop takes touches as they are. */
    touchEvents: boolean;
    /** The pictures that there are to choose from, the best first. */
    videos: string[];
  };
  'system/settings': Settings;
  'system/disconnect': { message: string };
  'system/heartbeat': object;
  'signal/provide': { sdp: string; iceServers: RTCIceServer[]; video: VideoChoice };
  'signal/offer': { sdp: string };
  'signal/restart': { sdp: string };
  'signal/answer': { sdp: string };
  'signal/video': VideoChoice;
  'signal/candidate': RTCIceCandidateInit;
  'signal/close': object;
  'session/created': Member;
  'session/deleted': { id: string };
  'session/profile': { id: string; name: string; rights: Rights };
  'control/host': { hostId: string | undefined };
  'control/request': { id: string };
  'screen/updated': Screen;
  'clipboard/updated': { text: string };
  'send/unicast': { sender: string; subject: string };
  'gateway/login': { loginId: string };
  /** The session is frozen, or goes on. */
  'gateway/session': { isPaused: boolean };
  /** The programs that drive, or get the controls again when a person lets go. */
  'gateway/lease': { programs: Program[] };
  'gateway/error': { code: string; message: string; retryable: boolean };
};

type Named = FromServerEvent | 'gateway/error' | 'gateway/lease' | 'gateway/login' | 'gateway/session';
/** `Extract` lets the build fail at the handlers when neko's schema loses an event that the viewer reads. */
type IncomingEvent = Extract<keyof Shapes, Named>;

export type Incoming = { [E in IncomingEvent]: { event: E; payload: Shapes[E] } }[IncomingEvent];

const CODE_MAX_LENGTH = 64;
const MESSAGE_MAX_LENGTH = 4096;

const READERS: { [E in IncomingEvent]: (payload: Fields) => Shapes[E] } = {
  'system/init': (payload) => ({
    sessionId: payload.string('session_id'),
    hostId: readHost(payload.object('control_host')),
    screen: readScreen(payload.object('screen_size')),
    members: payload.object('sessions').objects().map(readMember),
    settings: readSettings(payload.object('settings')),
    touchEvents: payload.findBoolean('touch_events') ?? false,
    videos: (payload.findObject('webrtc')?.list('videos') ?? []).filter((id) => typeof id === 'string'),
  }),
  'system/settings': readSettings,
  'system/disconnect': (payload) => ({ message: payload.string('message').slice(0, MESSAGE_MAX_LENGTH) }),
  'system/heartbeat': () => ({}),
  'signal/provide': (payload) => ({
    sdp: payload.string('sdp'),
    iceServers: payload.list('iceservers').map(readIceServer),
    video: readVideo(payload.findObject('video') ?? new Fields({})),
  }),
  'signal/offer': readDescription,
  'signal/restart': readDescription,
  'signal/answer': readDescription,
  'signal/video': readVideo,
  'signal/candidate': (payload) => ({
    candidate: payload.string('candidate'),
    sdpMid: payload.findString('sdpMid') ?? null,
    sdpMLineIndex: payload.findNumber('sdpMLineIndex') ?? null,
    usernameFragment: payload.findString('usernameFragment') ?? null,
  }),
  'signal/close': () => ({}),
  'session/created': readMember,
  'session/deleted': (payload) => ({ id: payload.string('id') }),
  'session/profile': (payload) => ({ id: payload.string('id'), ...readProfile(payload) }),
  'control/host': (payload) => ({ hostId: readHost(payload) }),
  'control/request': (payload) => ({ id: payload.string('id') }),
  'screen/updated': readScreen,
  'clipboard/updated': (payload) => ({ text: payload.string('text') }),
  'send/unicast': (payload) => ({ sender: payload.string('sender'), subject: payload.string('subject') }),
  'gateway/login': (payload) => ({ loginId: payload.string('loginId') }),
  'gateway/session': (payload) => ({ isPaused: payload.string('state') === 'paused' }),
  'gateway/lease': (payload) => ({ programs: payload.list('programs').map(readProgram) }),
  'gateway/error': (payload) => ({
    code: payload.string('code').slice(0, CODE_MAX_LENGTH),
    message: payload.string('message').slice(0, MESSAGE_MAX_LENGTH),
    retryable: payload.boolean('retryable'),
  }),
};

/** Reads one frame; undefined for what is malformed or unknown. */
export function readMessage(frame: unknown): Incoming | undefined {
  const document = typeof frame === 'string' ? readJson(frame) : undefined;
  if (document === undefined) return undefined;
  try {
    const fields = new Fields(document);
    const event = fields.string('event');
    return isIncoming(event) ? readAs(event, fields.findObject('payload') ?? new Fields({})) : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** A problem+json answer: its code and what it says; undefined where it is none. */
export function readProblem(document: unknown): { code: string; message: string } | undefined {
  try {
    const fields = new Fields(document);
    const message = fields.findString('detail') ?? fields.findString('title') ?? '';
    return { code: fields.string('code').slice(0, CODE_MAX_LENGTH), message: message.slice(0, MESSAGE_MAX_LENGTH) };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function isIncoming(event: string): event is IncomingEvent {
  return Object.hasOwn(READERS, event);
}

function readAs(event: IncomingEvent, payload: Fields): Incoming;
function readAs(event: IncomingEvent, payload: Fields): { event: IncomingEvent; payload: object } {
  return { event, payload: READERS[event](payload) };
}

function readHost(payload: Fields): string | undefined {
  return payload.boolean('has_host') ? payload.string('host_id') : undefined;
}

function readScreen(payload: Fields): Screen {
  return { width: payload.number('width'), height: payload.number('height'), rate: payload.findNumber('rate') ?? 0 };
}

function readDescription(payload: Fields): { sdp: string } {
  return { sdp: payload.string('sdp') };
}

function readVideo(payload: Fields): VideoChoice {
  return { id: payload.findString('id') ?? '', isAuto: payload.findBoolean('auto') ?? false };
}

function readMember(payload: Fields): Member {
  return {
    id: payload.string('id'),
    ...readProfile(payload.object('profile')),
    isWatching: payload.findObject('state')?.findBoolean('is_watching') ?? false,
  };
}

function readProfile(payload: Fields): { name: string; rights: Rights } {
  return {
    name: payload.string('name'),
    rights: {
      canWatch: payload.boolean('can_watch'),
      canHost: payload.boolean('can_host'),
      canAccessClipboard: payload.findBoolean('can_access_clipboard') ?? false,
      canShareMedia: payload.findBoolean('can_share_media') ?? false,
      // neko lets administrators alone change the screen.
      canResize: payload.findBoolean('is_admin') ?? false,
    },
  };
}

function readSettings(payload: Fields): Settings {
  return { lockedControls: payload.boolean('locked_controls'), implicitHosting: payload.boolean('implicit_hosting') };
}

function readIceServer(document: unknown): RTCIceServer {
  const fields = new Fields(document);
  const urls = fields.list('urls').filter((url) => typeof url === 'string');
  const username = fields.findString('username');
  const credential = fields.findString('credential');
  return { urls, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) };
}

function readProgram(document: unknown): Program {
  const fields = new Fields(document);
  const untilMs = Date.parse(fields.string('until'));
  if (Number.isNaN(untilMs)) throw new TypeError('until');
  return {
    id: fields.string('id'),
    name: fields.string('name').slice(0, CODE_MAX_LENGTH),
    isDriving: fields.string('state') === 'driving',
    untilMs,
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not ours to answer: the gateway checks frames, and one that is no JSON says nothing to a viewer.
    return undefined;
  }
}

/** The fields of a JSON object; reading one of the wrong type throws TypeError, and null counts as left out. */
class Fields {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(document: unknown) {
    if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new TypeError('no object');
    this.#values = new Map<string, unknown>(Object.entries(document));
  }

  string(name: string): string {
    return present(this.findString(name), name);
  }
  number(name: string): number {
    return present(this.findNumber(name), name);
  }
  boolean(name: string): boolean {
    return present(this.findBoolean(name), name);
  }
  object(name: string): Fields {
    return present(this.findObject(name), name);
  }
  /** A list that is null or left out is empty: Go writes an empty slice so. */
  list(name: string): unknown[] {
    const value = this.#values.get(name) ?? [];
    if (!Array.isArray(value)) throw new TypeError(name);
    return value;
  }
  /** The values of a map of objects. */
  objects(): Fields[] {
    return [...this.#values.values()].map((value) => new Fields(value));
  }

  findString(name: string): string | undefined {
    const value = this.#values.get(name) ?? undefined;
    if (value !== undefined && typeof value !== 'string') throw new TypeError(name);
    return value;
  }
  findNumber(name: string): number | undefined {
    const value = this.#values.get(name) ?? undefined;
    if (value !== undefined && typeof value !== 'number') throw new TypeError(name);
    return value;
  }
  findBoolean(name: string): boolean | undefined {
    const value = this.#values.get(name) ?? undefined;
    if (value !== undefined && typeof value !== 'boolean') throw new TypeError(name);
    return value;
  }
  findObject(name: string): Fields | undefined {
    const value = this.#values.get(name) ?? undefined;
    return value === undefined ? undefined : new Fields(value);
  }
}

function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(name);
  return value;
}
