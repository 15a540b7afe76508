// Every message on the control WebSocket between gateway and agent: `{id, type, timestamp, payload}`, one JSON document a frame.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { Endpoint, ENDPOINTS_MAX, MediaOffer, Rung, Viewer } from './ice.ts';
import { LoginOrder, LoginReport, LOGINS_MAX_PER_AGENT } from './login.ts';
import { Failure, Id, SessionReport, SessionSpec } from './session.ts';

/** Raised when an old and a new end can no longer talk; `hello` and `welcome` carry it and unequal ends part with AGENT_VERSION. */
export const PROTOCOL_VERSION = 6;

const Text = z.string().max(256);

/** What a gateway asks of an agent's host. `action` names are public. */
export const Command = z.discriminatedUnion('action', [
  z.object({ action: z.literal('start_session'), sessionId: Id, spec: SessionSpec }),
  z.object({ action: z.literal('stop_session'), sessionId: Id }),
  /** As stop_session, told as hibernating and hibernated; what the session has in its home stays. */
  z.object({ action: z.literal('hibernate_session'), sessionId: Id }),
  /** Starts a hibernated session again, on the home that it had. */
  z.object({ action: z.literal('wake_session'), sessionId: Id, spec: SessionSpec }),
  /** Freezes all that runs in it; memory stays taken, and its logins stay. */
  z.object({ action: z.literal('pause_session'), sessionId: Id }),
  z.object({ action: z.literal('resume_session'), sessionId: Id }),
  /** Ends a session's logins, those that wait for their client too: of one access, or the one named. */
  z.object({
    action: z.literal('end_logins'),
    sessionId: Id,
    of: z.union([z.object({ accessId: Id }), z.object({ loginId: z.uuid() })]),
    code: z.enum(['ACCESS_EXPIRED', 'ACCESS_REVOKED', 'KICKED']),
  }),
  /** Removes what a home holds, for good; CONFLICT while a session has it. */
  z.object({ action: z.literal('remove_home'), home: Id }),
]);
export type Command = z.infer<typeof Command>;
/** What is asked of one session. */
export type SessionCommand = Extract<Command, { sessionId: string }>;

const Tunnel = z.object({ tunnelId: z.uuid(), ticket: z.string().regex(/^[0-9a-f]{64}$/) });

/** Dial a WebSocket back to `/api/v1/agents/tunnel` with the ticket, and join it to what its kind says. */
export const TunnelOpen = z.discriminatedUnion('kind', [
  /** The signaling of the login of this id at the session's streamer; a new one where there is none. */
  Tunnel.extend({ kind: z.literal('signaling'), sessionId: Id, login: LoginOrder, viewer: Viewer }),
  /** One exchange with the streamer's API as that login (see http-tunnel.ts). */
  Tunnel.extend({ kind: z.literal('http'), sessionId: Id, login: LoginOrder }),
  /** One look at the screen, for which no login is made (see http-tunnel.ts). */
  Tunnel.extend({ kind: z.literal('picture'), sessionId: Id, login: LoginOrder }),
  /** One tool's call at the session's desktop (see tools.ts). */
  Tunnel.extend({ kind: z.literal('tools'), sessionId: Id }),
  /** Datagrams of a login's media that come to the gateway by TCP, each one a binary message, to and from its streamer. */
  Tunnel.extend({ kind: z.literal('media'), sessionId: Id, loginId: z.uuid() }),
  /** Both ends find out which ways to this host work (see preflight.ts). */
  Tunnel.extend({ kind: z.literal('preflight') }),
]);
export type TunnelOpen = z.infer<typeof TunnelOpen>;

/** As `TunnelOpen`, for one viewer of the session's VNC server: RFB from ServerInit on, as binary frames (see docs/vnc.md). */
const VncTunnelOpen = Tunnel.extend({ sessionId: Id });
export type VncTunnelOpen = z.infer<typeof VncTunnelOpen>;
/** Either, by its kind. */
export type TunnelRequest = TunnelOpen | (VncTunnelOpen & { kind: 'vnc' });

type WithoutTicket<T> = T extends unknown ? Omit<T, keyof z.infer<typeof Tunnel>> : never;
/** What a tunnel is for. */
export type TunnelOrder = WithoutTicket<TunnelRequest>;

export const SESSIONS_MAX_PER_AGENT = 1000;

const FROM_AGENT = {
  /** First frame of an agent: who it is and what runs on its host now, so that both sides agree after a restart of either. */
  hello: z.object({
    protocol: z.int(),
    agentId: Id,
    /** New at every start of the agent's process. */
    instanceId: z.uuid(),
    version: Text,
    hostname: Text,
    capabilities: z.object({
      runtimes: z.array(Text).max(16),
      streamer: z.enum(['neko', 'embedded']),
      maxSessions: z.int().min(0).max(SESSIONS_MAX_PER_AGENT),
      /** Names of the folders of its host that sessions may have parts of. */
      mountRoots: z.array(Id).max(64).optional(),
    }),
    sessions: z.array(SessionReport).max(SESSIONS_MAX_PER_AGENT),
    /** Those without a connected client now; the gateway ends those that nobody may resume any more. */
    logins: z.array(LoginReport).max(LOGINS_MAX_PER_AGENT),
  }),
  heartbeat: z.object({
    sessions: z.int().min(0),
    /** 1-minute load average and free memory in bytes. */
    load: z.number(),
    freeMemory: z.number(),
    /** Sessions that the host still has ports for, where its runtime knows. */
    freeSlots: z.int().min(0).optional(),
    /** Those that are being opened, too. */
    vncTunnels: z.int().min(0),
  }),
  /** The command was understood and is under way. */
  ack: z.object({ commandId: z.uuid() }),
  progress: z.object({
    commandId: z.uuid(),
    message: z.string().max(1024),
    /** Other commands come first on this host; until the next progress without it the command's deadline stands still. */
    isWaiting: z.boolean().optional(),
  }),
  /** A command's end; `error` is there when it failed. */
  result: z.object({ commandId: z.uuid(), error: Failure.optional() }),
  'session.updated': SessionReport,
  /** A login has lost its client, or what became of it then. */
  'login.updated': LoginReport,
  /** What a login was offered for its media, anew with each description, and after each welcome. */
  'media.offered': MediaOffer,
  /** By which way a login's picture comes, as its client says. */
  'media.used': z.object({ sessionId: Id, loginId: z.uuid(), rung: Rung }),
  /** The login is over. */
  'media.withdrawn': z.object({ loginId: z.uuid() }),
  /** A tunnel that the gateway asked for can't be had; no WebSocket will be dialled for it. */
  'tunnel.refused': z.object({ tunnelId: z.uuid(), error: Failure }),
  /** The session's VNC server has let the agent in; its WebSocket is dialled next. */
  vnc_ready: z.object({ tunnelId: z.uuid(), sessionId: Id }),
  /** The VNC tunnel is over, or can't be had; no WebSocket will be dialled for it any more. */
  vnc_closed: z.object({ tunnelId: z.uuid(), sessionId: Id, reason: Failure }),
};

const FROM_GATEWAY = {
  welcome: z.object({
    protocol: z.int(),
    heartbeatMs: z.int().min(100).max(600_000),
    /** Where this gateway takes viewers' media over TCP; empty where it doesn't. */
    tcpMedia: z.array(Endpoint).max(ENDPOINTS_MAX),
  }),
  /** The id makes a replay harmless: an agent answers a command that it has seen with what it answered before. */
  command: z.object({ commandId: z.uuid(), deadline: z.iso.datetime(), command: Command }),
  'tunnel.open': TunnelOpen,
  initialize_vnc_tunnel: VncTunnelOpen,
  /** Nobody waits for the VNC tunnel any more. */
  vnc_closed: z.object({ tunnelId: z.uuid(), sessionId: Id, reason: Failure }),
};

/** What the same messages are called elsewhere: by StreamSpace's agents and control plane. */
const ALIASES: Readonly<Record<string, string>> = {
  create_vnc_tunnel: 'initialize_vnc_tunnel',
  vnc_close: 'vnc_closed',
  vnc_error: 'vnc_closed',
};

type Payloads<Schemas extends Record<string, z.ZodType>> = { [T in keyof Schemas & string]: z.output<Schemas[T]> };
type Messages<Schemas extends Record<string, z.ZodType>> = {
  [T in keyof Schemas & string]: { id: string; type: T; timestamp: string; payload: z.output<Schemas[T]> };
}[keyof Schemas & string];

/** What each message carries, by its type. */
export type AgentPayloads = Payloads<typeof FROM_AGENT>;
export type GatewayPayloads = Payloads<typeof FROM_GATEWAY>;
export type FromAgent = Messages<typeof FROM_AGENT>;
export type FromGateway = Messages<typeof FROM_GATEWAY>;
export type Hello = AgentPayloads['hello'];

/** One handler a message type: a new message breaks the build until it is handled. */
export type Handlers<Message extends FromAgent | FromGateway> = {
  [T in Message['type']]: (payload: Extract<Message, { type: T }>['payload']) => void;
};

const Envelope = z.object({
  id: z.string().max(128),
  type: z.string().max(64),
  /** RFC 3339; for people reading logs, nothing depends on it. */
  timestamp: z.iso.datetime({ offset: true }),
  payload: z.unknown(),
});

/** @throws GatewayError BAD_FRAME; UNKNOWN_EVENT for a type of a newer peer, which the caller may pass over. */
export function decodeFromAgent(text: string): FromAgent {
  return decode(FROM_AGENT, text);
}

/** @throws GatewayError BAD_FRAME; UNKNOWN_EVENT for a type of a newer peer, which the caller may pass over. */
export function decodeFromGateway(text: string): FromGateway {
  return decode(FROM_GATEWAY, text);
}

export function encodeFromAgent<T extends keyof AgentPayloads>(type: T, payload: AgentPayloads[T]): string {
  return encode(type, payload);
}

export function encodeFromGateway<T extends keyof GatewayPayloads>(type: T, payload: GatewayPayloads[T]): string {
  return encode(type, payload);
}

/** Calls the one handler that the message's type has. */
export function dispatch<Message extends FromAgent | FromGateway>(handlers: Handlers<Message>, message: Message): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the map's type ties each handler to its payload; TypeScript can't follow that through an indexed call
  const handle = handlers[message.type as Message['type']] as (payload: Message['payload']) => void;
  handle(message.payload);
}

function encode(type: string, payload: unknown): string {
  return JSON.stringify({ id: randomUUID(), type, timestamp: new Date().toISOString(), payload });
}

function decode<Schemas extends Record<string, z.ZodType>>(schemas: Schemas, text: string): Messages<Schemas> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('BAD_FRAME', 'a control frame is not JSON', { cause });
  }
  const envelope = Envelope.safeParse(json);
  if (!envelope.success)
    throw new GatewayError(
      'BAD_FRAME',
      `a control frame is not {id,type,timestamp,payload}: ${z.prettifyError(envelope.error)}`,
    );
  const { id, timestamp } = envelope.data;
  const type = ALIASES[envelope.data.type] ?? envelope.data.type;
  const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined;
  if (!schema) throw new GatewayError('UNKNOWN_EVENT', `unknown control message "${type}"`);
  const payload = schema.safeParse(envelope.data.payload);
  if (!payload.success)
    throw new GatewayError('BAD_FRAME', `control message "${type}": ${z.prettifyError(payload.error)}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each member was checked just above
  return { id, type, timestamp, payload: payload.data } as Messages<Schemas>;
}
