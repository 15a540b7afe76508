import { isIPv4 } from 'node:net';
import { GatewayError } from '../errors.ts';
import {
  OFFERED_CANDIDATES_MAX,
  Ufrag,
  type Endpoint,
  type MediaOffer,
  type Rung,
  type Viewer,
} from '../protocol/ice.ts';
import type { LoginOrder } from '../protocol/login.ts';
import { rewriteFrame, type Heard } from '../signaling/ice-frames.ts';
import { choosePlan, type ChosenPlan, type ReachAddress } from '../signaling/ice-plan.ts';
import type { SendToGateway } from './commands.ts';
import type { SessionMedia } from './runtimes/runtime.ts';
import { turnServerFor, type TurnServers } from './turn.ts';
import { findUdpAddress } from './udp-table.ts';

/** How viewers reach the sessions of a host. */
export interface Reach {
  /** The host's addresses; empty: what the streamers find by themselves. */
  addresses: readonly ReachAddress[];
  turn?: TurnServers | undefined;
}

export interface MediaDeskOptions extends Reach {
  /** Of a session that runs now. */
  mediaOf: (sessionId: string) => SessionMedia | undefined;
  send: SendToGateway;
}

/** What becomes of each frame that neko sends to one viewer. */
export type RewriteFrame = (frame: string) => readonly string[];

/** Candidates of one description; later ones are passed on and not remembered. */
const HEARD_MAX = 64;

/** What a streamer said of its end since a description, or before one that is still to come. */
interface End {
  ufrag?: string | undefined;
  /** UDP ports that it offers. */
  ports: number[];
  told: string[];
}

interface Offered {
  sessionId: string;
  /** Of its last description. */
  current: End;
  /** neko says its candidates before the description that they belong to. */
  early: End;
  /** What its client was told last. */
  offer?: MediaOffer;
  endListeners: Set<() => void>;
}

/**
 * Makes each viewer's ICE plan, applies it to what neko says, and remembers where each login's streamer takes media, for the
 * tunnels by which TCP comes.
 */
export class MediaDesk {
  readonly #options: MediaDeskOptions;
  /** By login. */
  readonly #offered = new Map<string, Offered>();
  #tcp: readonly Endpoint[] = [];

  constructor(options: MediaDeskOptions) {
    this.#options = options;
  }

  /** A gateway is connected, and takes TCP there. */
  greeted(tcp: readonly Endpoint[]): void {
    this.#tcp = tcp;
    for (const { offer } of this.#offered.values()) if (offer) this.#options.send('media.offered', offer);
  }

  /** Where the gateway that is connected takes TCP. */
  get tcpMedia(): readonly Endpoint[] {
    return this.#tcp;
  }

  /** For one connection of a login. @throws GatewayError ICE_PLAN_UNAVAILABLE */
  open(sessionId: string, order: LoginOrder, viewer: Viewer): RewriteFrame {
    const plan = this.#choose(sessionId, order, viewer);
    return (frame) => {
      const { frames, heard } = rewriteFrame(frame, plan);
      if (heard) this.#hear(sessionId, order.loginId, { plan, heard });
      return frames;
    };
  }

  /** Its client says by which way its picture comes. */
  used(sessionId: string, loginId: string, rung: Rung): void {
    this.#options.send('media.used', { sessionId, loginId, rung });
  }

  /** The login is over: nothing of its media is known any more. */
  end(loginId: string): void {
    const offered = this.#offered.get(loginId);
    this.#offered.delete(loginId);
    if (offered?.offer) this.#options.send('media.withdrawn', { loginId });
    for (const end of offered?.endListeners ?? []) end();
  }

  /**
   * Where the login's streamer takes UDP, and a call of `onEnd` when the login is over.
   * @throws GatewayError NOT_FOUND when it offers none that this host reaches
   */
  async getTarget(
    sessionId: string,
    loginId: string,
    onEnd: () => void,
  ): Promise<{ target: Endpoint; forget: () => void }> {
    const offered = this.#offered.get(loginId);
    const media = this.#options.mediaOf(sessionId);
    const target = media && offered?.sessionId === sessionId && (await findTarget(media, offered.current.ports));
    if (!target || this.#offered.get(loginId) !== offered)
      throw new GatewayError('NOT_FOUND', `login ${loginId} has no media here that could come over TCP`);
    offered.endListeners.add(onEnd);
    return { target, forget: () => offered.endListeners.delete(onEnd) };
  }

  #choose(sessionId: string, order: LoginOrder, viewer: Viewer): ChosenPlan {
    const { addresses, turn, mediaOf } = this.#options;
    const media = mediaOf(sessionId);
    const can = {
      addresses,
      isPublished: media?.address !== undefined,
      turn: turn && (() => turnServerFor(turn, order, Date.now())),
      tcp: media ? this.#tcp : [],
    };
    return choosePlan(can, viewer);
  }

  #hear(sessionId: string, loginId: string, { plan, heard }: { plan: ChosenPlan; heard: Heard }): void {
    const { udp } = this.#options.mediaOf(sessionId) ?? {};
    const offered = this.#offered.get(loginId) ?? {
      sessionId,
      current: nothing(),
      early: nothing(),
      endListeners: new Set(),
    };
    this.#offered.set(loginId, offered);
    const isNew = heard.ufrag !== undefined && heard.ufrag !== offered.current.ufrag;
    if (isNew) {
      offered.current = { ...offered.early, ufrag: heard.ufrag };
      offered.early = nothing();
    }
    const said: End = {
      ports: heard.candidates
        .filter(({ transport, address }) => transport.toLowerCase() === 'udp' && isIPv4(address))
        .map(({ port }) => port)
        .filter((port) => udp && port >= udp.min && port <= udp.max),
      told: [...heard.told],
    };
    if (heard.ufrag === undefined) offered.early = join(offered.early, said);
    // A restart's candidates come after it.
    offered.current = join(offered.current, said);
    if (offered.current.ufrag === undefined) return;
    offered.offer = offerOf(sessionId, loginId, plan, offered.current);
    this.#options.send('media.offered', offered.offer);
  }
}

function offerOf(sessionId: string, loginId: string, { plans, reason }: ChosenPlan, { ufrag, told }: End): MediaOffer {
  const known = plans.includes('tcp') ? Ufrag.safeParse(ufrag).data : undefined;
  return {
    sessionId,
    loginId,
    plans: [...plans],
    reason: reason.slice(0, 1024),
    candidates: [...new Set(told)].slice(0, OFFERED_CANDIDATES_MAX).map((text) => text.slice(0, 256)),
    ...(known !== undefined && { ufrag: known }),
  };
}

function nothing(): End {
  return { ports: [], told: [] };
}

function join(before: End, { ports, told }: End): End {
  return {
    ufrag: before.ufrag,
    ports: [...new Set([...before.ports, ...ports])].slice(0, HEARD_MAX),
    told: [...before.told, ...told].slice(0, HEARD_MAX),
  };
}

/** The first of its ports that the host reaches: at the session's own address, or where its streamer's socket is bound on the host. */
async function findTarget({ address }: SessionMedia, ports: readonly number[]): Promise<Endpoint | undefined> {
  const [port] = ports;
  if (address !== undefined) return port === undefined ? undefined : { address, port };
  for (const candidate of ports) {
    const bound = await findUdpAddress(candidate);
    if (bound !== undefined) return { address: bound, port: candidate };
  }
  return undefined;
}
