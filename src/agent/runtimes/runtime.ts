import type { Failure, SessionSpec } from '../../protocol/session.ts';
import type { ToolsAddress } from '../../desktop/tools/service.ts';
import type { VncAddress } from '../vnc/server.ts';

/** How an agent runs sessions on its host: local processes, containers. */
export interface Runtime {
  readonly name: string;
  /** The host's ports that sessions take media at, both ends included. */
  readonly udpPorts: { readonly min: number; readonly max: number };
  /** Takes over the sessions that an earlier agent on this host left running, and ends what is left of others. */
  recover(): Promise<RunningSession[]>;
  /** What a start needs and can be had beside any number of starts, like an image that is pulled; it throws and is aborted as `start`. */
  prepare?(spec: SessionSpec, options: StartOptions): Promise<void>;
  /**
   * Resolves once the session's streamer answers and its first frame has been seen; leaves nothing behind when it
   * throws (SESSION_LIMIT, DEPENDENCY_MISSING, SESSION_START_FAILED, BAD_REQUEST for what this runtime can't give) or is aborted.
   */
  start(sessionId: string, spec: SessionSpec, options: StartOptions): Promise<RunningSession>;
  /** What a home holds is gone for good when it resolves; one that isn't there is fine. @throws GatewayError CONFLICT while a session has it */
  removeHome(home: string): Promise<void>;
  /** Names of the folders of the host that sessions may have parts of; left out where there are none. */
  readonly mountRoots?: readonly string[];
  /** How many more sessions this host has ports for; left out where that isn't known. */
  readonly freeSlots?: number;
  /** Ends what watches sessions; they run on. Idempotent. */
  close?(): Promise<void>;
}

export interface StartOptions {
  signal: AbortSignal;
  /** Told of each stage in words fit for a user ("starting the X server"). */
  onProgress: (message: string) => void;
}

export type SessionHealth =
  | { state: 'running' }
  /** A part was lost and is being restarted. */
  | { state: 'starting'; reason: Failure }
  /** Frozen by `pause`, maybe an earlier agent's. */
  | { state: 'paused' }
  /** Given up, and all of it is stopped. */
  | { state: 'failed'; reason: Failure; logTail: string[]; exitCode?: number };

/** Where a session's streamer takes media, as its host reaches it. */
export interface SessionMedia {
  /** IPv4, of the session's own; left out, it shares the host's addresses. */
  readonly address?: string | undefined;
  /** Ports, both ends included. */
  readonly udp: { readonly min: number; readonly max: number };
}

/** A session that runs; who holds it owns it and must `stop` it. */
export interface RunningSession {
  readonly sessionId: string;
  readonly streamer: 'neko' | 'embedded';
  /** Where its neko answers, and the password of neko's administrator; neither leaves the host. */
  readonly neko: { readonly baseUrl: string; readonly adminPassword: string };
  /** Left out where the host can't reach it: then its media can't come over TCP by the gateway. */
  readonly media?: SessionMedia | undefined;
  /** Where its VNC server is; left out where it has none. */
  readonly vnc?: VncAddress | undefined;
  /** Where its desktop does what programs ask beside pixels; left out where it can't. */
  readonly tools?: ToolsAddress | undefined;
  /** A private folder that is gone with the session and outlives the agent: what the next one needs is kept there. */
  readonly folder: string;
  readonly health: SessionHealth;
  /** Calls the listener at every change of `health`; returns what ends that. */
  onHealth(listener: (health: SessionHealth) => void): () => void;
  /** Resolves once nothing in it runs any more, and memory and ports are still its own; its health is `paused` then. Idempotent. */
  pause(): Promise<void>;
  /** Resolves once all goes on where it was. Idempotent. */
  resume(): Promise<void>;
  /** Resolves once nothing of it is left: processes, sockets, files, ports; only its home stays. A paused one too. Idempotent. */
  stop(): Promise<void>;
}
