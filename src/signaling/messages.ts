// neko v3's WebSocket messages, `{"event": "...", "payload": ...}` in both directions, as schemas.
// Source: neko's server/pkg/types/event, types/message and internal/websocket/handler at baf21c1.
// What comes from clients is read as Go reads it: a field that is missing or null is its type's zero, more fields are kept.
import { z } from 'zod';
import { GatewayError } from '../errors.ts';

// A message beyond one of these limits is refused as BAD_FRAME.
export const EVENT_NAME_MAX_LENGTH = 64;
export const ID_MAX_LENGTH = 512;
export const NAME_MAX_LENGTH = 512;
export const SDP_MAX_LENGTH = 65_536;
export const CANDIDATE_MAX_LENGTH = 2048;
export const CLIPBOARD_TEXT_MAX_LENGTH = 1_048_576;
export const TEXT_MAX_LENGTH = 16_384;
export const LOG_ENTRIES_MAX = 1000;
export const SESSIONS_MAX = 10_000;
export const SCREEN_SIZES_MAX = 4096;
export const ICE_SERVERS_MAX = 64;
export const CURSORS_MAX = 10_000;
export const VIDEOS_MAX = 64;

// Shapes that several messages, and neko's REST replies, share.

const id = z.string().max(ID_MAX_LENGTH);
const name = z.string().max(NAME_MAX_LENGTH);
const time = z.string().max(64);

/** A screen's size in pixels and its rate in frames a second. */
export const ScreenSize = z.looseObject({ width: z.int(), height: z.int(), rate: z.int() });
export type ScreenSize = z.infer<typeof ScreenSize>;

/** What a login may do. */
export const MemberProfile = z.looseObject({
  name,
  is_admin: z.boolean(),
  can_login: z.boolean(),
  can_connect: z.boolean(),
  can_watch: z.boolean(),
  can_host: z.boolean(),
  can_share_media: z.boolean(),
  can_access_clipboard: z.boolean(),
  sends_inactive_cursor: z.boolean(),
  can_see_inactive_cursors: z.boolean(),
  plugins: z.record(name, z.unknown()).nullable().optional(),
});
export type MemberProfile = z.infer<typeof MemberProfile>;

/** How a login is connected now. The times are RFC 3339. */
export const SessionState = z.looseObject({
  is_connected: z.boolean(),
  connected_since: time.optional(),
  not_connected_since: time.optional(),
  is_watching: z.boolean(),
  watching_since: time.optional(),
  not_watching_since: time.optional(),
});
export type SessionState = z.infer<typeof SessionState>;

export const SessionData = z.looseObject({ id, profile: MemberProfile, state: SessionState });
export type SessionData = z.infer<typeof SessionData>;

/** The room's settings; `heartbeat_interval` in seconds. */
export const Settings = z.looseObject({
  private_mode: z.boolean(),
  locked_logins: z.boolean(),
  locked_controls: z.boolean(),
  control_protection: z.boolean(),
  implicit_hosting: z.boolean(),
  inactive_cursors: z.boolean(),
  merciful_reconnect: z.boolean(),
  heartbeat_interval: z.int(),
  plugins: z.record(name, z.unknown()).nullable().optional(),
});
export type Settings = z.infer<typeof Settings>;

export const IceServer = z.looseObject({
  urls: z.array(z.string().max(TEXT_MAX_LENGTH)).max(ICE_SERVERS_MAX).nullable(),
  username: z.string().max(TEXT_MAX_LENGTH).optional(),
  credential: z.string().max(TEXT_MAX_LENGTH).optional(),
});
export type IceServer = z.infer<typeof IceServer>;

/** Who has the controls; `id` is who changed it, empty in system/init. */
export const ControlHost = z.looseObject({ id, has_host: z.boolean(), host_id: id.optional() });
export type ControlHost = z.infer<typeof ControlHost>;

// Fields of a client's message, as Go's decoder takes them.

const int = z
  .int()
  .nullish()
  .transform((value) => value ?? 0);
const bool = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const optionalInt = absent(z.int());
const optionalBool = absent(z.boolean());
const text = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .nullish()
    .transform((value) => value ?? '');

function absent<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

/** A client's payload: `null` is an object of zeros, a payload left out is refused, as neko does. */
function payload<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.preprocess((value) => (value === null ? {} : value), z.looseObject(shape));
}

function event<E extends string, P extends z.ZodType>(eventName: E, payloadSchema: P) {
  return z.looseObject({ event: z.literal(eventName), payload: payloadSchema });
}

/** An event whose payload, if any, nobody reads. */
function bareEvent<E extends string>(eventName: E) {
  return z.looseObject({ event: z.literal(eventName), payload: z.unknown().optional() });
}

const videoRequest = {
  disabled: optionalBool,
  selector: absent(
    z.looseObject({
      id: text(ID_MAX_LENGTH),
      type: absent(z.string().regex(/^(exact|nearest|lower|higher|)$/i)),
      bitrate: optionalInt,
    }),
  ),
  auto: optionalBool,
};
const audioRequest = { disabled: optionalBool };
const description = payload({ sdp: text(SDP_MAX_LENGTH) });
const candidate = {
  candidate: text(CANDIDATE_MAX_LENGTH),
  sdpMid: z.string().max(ID_MAX_LENGTH).nullish(),
  sdpMLineIndex: z.int().nullish(),
  usernameFragment: z.string().max(ID_MAX_LENGTH).nullish(),
};
/** `x` and `y` left out both means: where the pointer is. */
const button = payload({ code: int, x: optionalInt, y: optionalInt });
const key = payload({ keysym: int, x: optionalInt, y: optionalInt });
const touch = payload({ touch_id: int, x: int, y: int, pressure: int });
/** A keyboard's layout and variant, as setxkbmap names them. */
export const KeyboardMap = payload({ layout: text(NAME_MAX_LENGTH), variant: text(NAME_MAX_LENGTH) });
export type KeyboardMap = z.infer<typeof KeyboardMap>;

/** Modifiers to lock (true) or unlock (false); those left out stay as they are. */
export const KeyboardModifiers = payload({
  shift: optionalBool,
  capslock: optionalBool,
  control: optionalBool,
  alt: optionalBool,
  numlock: optionalBool,
  meta: optionalBool,
  super: optionalBool,
  altgr: optionalBool,
});
export type KeyboardModifiers = z.infer<typeof KeyboardModifiers>;

/** Everything that a client may send. */
export const FromClient = z.discriminatedUnion('event', [
  bareEvent('client/heartbeat'),
  event(
    'system/logs',
    z
      .array(
        z.looseObject({
          level: text(NAME_MAX_LENGTH),
          fields: absent(z.record(name, z.unknown())),
          message: text(TEXT_MAX_LENGTH),
        }),
      )
      .max(LOG_ENTRIES_MAX)
      .nullable(),
  ),
  event(
    'signal/request',
    payload({
      video: absent(z.looseObject(videoRequest)),
      audio: absent(z.looseObject(audioRequest)),
      auto: optionalBool,
    }),
  ),
  bareEvent('signal/restart'),
  event('signal/offer', description),
  event('signal/answer', description),
  event('signal/candidate', payload(candidate)),
  event('signal/video', payload(videoRequest)),
  event('signal/audio', payload(audioRequest)),
  bareEvent('control/release'),
  bareEvent('control/request'),
  event('control/move', payload({ x: int, y: int })),
  // `x` and `y` are an old client's deltas, used where both deltas are 0.
  event('control/scroll', payload({ delta_x: int, delta_y: int, control_key: bool, x: int, y: int })),
  event('control/buttonpress', button),
  event('control/buttondown', button),
  event('control/buttonup', button),
  event('control/keypress', key),
  event('control/keydown', key),
  event('control/keyup', key),
  event('control/touchbegin', touch),
  event('control/touchupdate', touch),
  event('control/touchend', touch),
  bareEvent('control/cut'),
  bareEvent('control/copy'),
  event('control/paste', payload({ text: text(CLIPBOARD_TEXT_MAX_LENGTH) })),
  bareEvent('control/select_all'),
  event('screen/set', payload({ width: int, height: int, rate: int })),
  event('clipboard/set', payload({ text: text(CLIPBOARD_TEXT_MAX_LENGTH) })),
  event('keyboard/map', KeyboardMap),
  event('keyboard/modifiers', KeyboardModifiers),
  event(
    'send/unicast',
    payload({ receiver: text(ID_MAX_LENGTH), subject: text(TEXT_MAX_LENGTH), body: z.unknown().optional() }),
  ),
  event('send/broadcast', payload({ subject: text(TEXT_MAX_LENGTH), body: z.unknown().optional() })),
  // Plugins that come with neko.
  bareEvent('chat/message'),
  bareEvent('filetransfer/update'),
  bareEvent('openinapp/openlink'),
]);
export type FromClient = z.infer<typeof FromClient>;

const sessionId = z.looseObject({ id });
const peerVideo = z.looseObject({
  disabled: z.boolean(),
  id: z.string().max(ID_MAX_LENGTH),
  video: z.string().max(ID_MAX_LENGTH).optional(),
  auto: z.boolean(),
});
const peerAudio = z.looseObject({ disabled: z.boolean() });
const serverDescription = z.looseObject({ sdp: z.string().max(SDP_MAX_LENGTH) });
const broadcastStatus = z.looseObject({ is_active: z.boolean(), url: z.string().max(TEXT_MAX_LENGTH).optional() });
const cursor = z.looseObject({ x: z.int(), y: z.int() });

/** Everything that neko may send. */
export const FromServer = z.discriminatedUnion('event', [
  event(
    'system/init',
    z.looseObject({
      session_id: id,
      control_host: ControlHost,
      screen_size: ScreenSize,
      sessions: z
        .record(id, SessionData)
        .refine((all) => Object.keys(all).length <= SESSIONS_MAX, `more than ${SESSIONS_MAX} sessions`),
      settings: Settings,
      touch_events: z.boolean(),
      screencast_enabled: z.boolean(),
      webrtc: z.looseObject({ videos: z.array(z.string().max(ID_MAX_LENGTH)).max(VIDEOS_MAX).nullable() }),
    }),
  ),
  event(
    'system/admin',
    z.looseObject({
      screen_sizes_list: z.array(ScreenSize).max(SCREEN_SIZES_MAX).nullable(),
      broadcast_status: broadcastStatus,
    }),
  ),
  event('system/settings', Settings.extend({ id })),
  event('system/disconnect', z.looseObject({ message: z.string().max(TEXT_MAX_LENGTH) })),
  bareEvent('system/heartbeat'),
  event(
    'signal/provide',
    z.looseObject({
      sdp: z.string().max(SDP_MAX_LENGTH),
      iceservers: z.array(IceServer).max(ICE_SERVERS_MAX).nullable(),
      video: peerVideo,
      audio: peerAudio,
    }),
  ),
  event('signal/restart', serverDescription),
  event('signal/offer', serverDescription),
  event('signal/answer', serverDescription),
  event('signal/candidate', z.looseObject({ ...candidate, candidate: z.string().max(CANDIDATE_MAX_LENGTH) })),
  event('signal/video', peerVideo),
  event('signal/audio', peerAudio),
  bareEvent('signal/close'),
  event('session/created', SessionData),
  event('session/deleted', sessionId),
  event('session/profile', MemberProfile.extend({ id })),
  event('session/state', SessionState.extend({ id })),
  event(
    'session/cursors',
    z
      .array(z.looseObject({ id, cursors: z.array(cursor).max(CURSORS_MAX).nullable() }))
      .max(SESSIONS_MAX)
      .nullable(),
  ),
  event('control/host', ControlHost),
  event('control/request', sessionId),
  event('screen/updated', ScreenSize.extend({ id })),
  event('clipboard/updated', z.looseObject({ text: z.string().max(CLIPBOARD_TEXT_MAX_LENGTH) })),
  event('broadcast/status', broadcastStatus),
  event(
    'send/unicast',
    z.looseObject({ sender: id, receiver: id, subject: z.string().max(TEXT_MAX_LENGTH), body: z.unknown().optional() }),
  ),
  event(
    'send/broadcast',
    z.looseObject({ sender: id, subject: z.string().max(TEXT_MAX_LENGTH), body: z.unknown().optional() }),
  ),
  event('file_chooser_dialog/opened', sessionId),
  event('file_chooser_dialog/closed', sessionId),
  // Plugins that come with neko.
  bareEvent('chat/init'),
  bareEvent('chat/message'),
  bareEvent('filetransfer/update'),
  bareEvent('openinapp/init'),
]);
export type FromServer = z.infer<typeof FromServer>;

export type FromClientEvent = FromClient['event'];
export type FromServerEvent = FromServer['event'];

/** One handler an event: a new event breaks the build until it is handled. */
export type FromClientHandlers = {
  [E in FromClientEvent]: (message: Extract<FromClient, { event: E }>) => void | Promise<void>;
};

const CLIENT_EVENTS = eventNames(FromClient.options);
const SERVER_EVENTS = eventNames(FromServer.options);

/** Reads a client's frame. Throws GatewayError: BAD_FRAME for what is malformed, UNKNOWN_EVENT for an event that no client sends. */
export function decodeFromClient(frame: string): FromClient {
  return decode(frame, FromClient, CLIENT_EVENTS);
}

/** Reads a neko's frame. Throws GatewayError: BAD_FRAME for what is malformed, UNKNOWN_EVENT for an event that no neko sends. */
export function decodeFromServer(frame: string): FromServer {
  return decode(frame, FromServer, SERVER_EVENTS);
}

const Envelope = z.looseObject({ event: z.string().max(EVENT_NAME_MAX_LENGTH) });

function decode<S extends z.ZodType>(frame: string, schema: S, known: ReadonlySet<string>): z.infer<S> {
  const document = parseJson(frame);
  const envelope = Envelope.safeParse(document);
  if (!envelope.success) throw new GatewayError('BAD_FRAME', `not a message: ${firstIssue(envelope.error)}`);
  const eventName = envelope.data.event;
  if (!known.has(eventName)) throw new GatewayError('UNKNOWN_EVENT', `no such event: ${JSON.stringify(eventName)}`);
  const message = schema.safeParse(document);
  if (!message.success) throw new GatewayError('BAD_FRAME', `bad ${eventName}: ${firstIssue(message.error)}`);
  return message.data;
}

function parseJson(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch {
    // The parser's own words quote the frame, which may hold a password or somebody's clipboard.
    throw new GatewayError('BAD_FRAME', `not JSON (${frame.length} characters)`);
  }
}

/** Where and what, without the value. */
function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue === undefined ? 'invalid' : `${issue.path.join('.') || 'message'}: ${issue.message}`;
}

function eventNames(options: readonly { shape: { event: { value: string } } }[]): ReadonlySet<string> {
  return new Set(options.map((option) => option.shape.event.value));
}
