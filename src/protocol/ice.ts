import { z } from 'zod';
import { Id } from './session.ts';

/**
 * A way for a viewer's media: straight to the host's declared addresses; by a TURN server; by TCP to the gateway, and from there
 * through a tunnel to the host. In the order in which they are wished for.
 */
export const IcePlan = z.enum(['direct', 'turn', 'tcp']);
export type IcePlan = z.infer<typeof IcePlan>;

/** The ways by which a picture can come, the best first; VNC stands in where WebRTC has none. */
export const Rung = z.enum([...IcePlan.options, 'vnc']);
export type Rung = z.infer<typeof Rung>;

export const Address = z.union([z.ipv4(), z.ipv6()]);
export const Port = z.int().min(1).max(65_535);

/** Where a gateway takes viewers' media over TCP. */
export const Endpoint = z.object({ address: Address, port: Port });
export type Endpoint = z.infer<typeof Endpoint>;

/** Endpoints that one gateway may offer; more are refused at its start. */
export const ENDPOINTS_MAX = 8;

/** Who a plan is made for. */
export const Viewer = z.object({
  /** Where it comes from, as the gateway sees it; behind a proxy, the proxy. */
  address: z.string().max(64),
  /** What it asked for; left out, all that can be had. */
  plans: z.array(IcePlan).min(1).max(IcePlan.options.length).optional(),
});
export type Viewer = z.infer<typeof Viewer>;

/** An ICE username fragment (RFC 8839, section 5.4). */
export const Ufrag = z.string().regex(/^[A-Za-z0-9+/]{4,256}$/);

/** Candidates told in one offer, for people to read; more are left out. */
export const OFFERED_CANDIDATES_MAX = 16;

/** What a login was offered for its media. */
export const MediaOffer = z.object({
  sessionId: Id,
  loginId: z.uuid(),
  plans: z.array(IcePlan).min(1).max(IcePlan.options.length),
  /** For people: whose choice it was, and what is left out and why. */
  reason: z.string().max(1024),
  /** As the viewer was told them. */
  candidates: z.array(z.string().max(256)).max(OFFERED_CANDIDATES_MAX),
  /** The streamer's, by which a TCP connection of this login is known; left out when it may make none. */
  ufrag: Ufrag.optional(),
});
export type MediaOffer = z.infer<typeof MediaOffer>;
