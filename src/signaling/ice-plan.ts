import { BlockList, isIP, isIPv6 } from 'node:net';
import { GatewayError } from '../errors.ts';
import { IcePlan, type Endpoint, type Viewer } from '../protocol/ice.ts';
import { atAddress, type Candidate } from './candidate.ts';
import type { IceServer } from './messages.ts';

/** An address under which viewers reach a host; with a network, only those in it are told it. */
export interface ReachAddress {
  address: string;
  /** As `10.0.0.0/8`. */
  network?: string | undefined;
}

/** What can be offered for one login. */
export interface Offerable {
  /** Empty: what the streamer finds by itself. */
  addresses: readonly ReachAddress[];
  /** Whether the streamer's ports are published on the host, and so on its addresses of either family. */
  isPublished: boolean;
  /** Makes TURN servers with fresh credentials for this login; undefined where the host has none. */
  turn: (() => IceServer) | undefined;
  /** Where a gateway takes TCP for this session; empty where it doesn't. */
  tcp: readonly Endpoint[];
}

/** What is offered to one viewer. */
export interface ChosenPlan {
  plans: readonly IcePlan[];
  /** For people: whose choice it was, and what is left out and why. */
  reason: string;
  /** In place of the streamer's own; empty: as the streamer says. */
  addresses: readonly string[];
  isPublished: boolean;
  turn: (() => IceServer) | undefined;
  tcp: readonly Endpoint[];
}

const LOOPBACK = /^(?:127\.|::1$)/;

/**
 * What a viewer is offered: what it asks for, else all that there is.
 * @throws GatewayError ICE_PLAN_UNAVAILABLE when nothing of what it asks for can be had
 */
export function choosePlan(can: Offerable, viewer: Viewer): ChosenPlan {
  const addresses = addressesFor(can.addresses, viewer.address);
  const lacks: Record<IcePlan, string | undefined> = {
    direct:
      addresses.length === 0 && can.addresses.length > 0
        ? 'no address of the host is declared for where the viewer comes from (--nat1to1)'
        : undefined,
    turn: can.turn ? undefined : 'the host has no TURN server (--turn)',
    tcp: can.tcp.length > 0 ? undefined : 'the gateway takes no media over TCP (--tcp-media)',
  };
  const wished = IcePlan.options.filter((plan) => viewer.plans?.includes(plan) ?? true);
  const plans = wished.filter((plan) => lacks[plan] === undefined);
  const missing = wished.flatMap((plan) => (lacks[plan] === undefined ? [] : [`no ${plan}: ${lacks[plan]}`]));
  if (plans.length === 0)
    throw new GatewayError('ICE_PLAN_UNAVAILABLE', `there is no such way for media here. ${missing.join('; ')}`);
  return {
    plans,
    reason: [viewer.plans ? 'as the client asked' : 'all that can be had', ...missing].join('; '),
    addresses,
    isPublished: can.isPublished,
    turn: plans.includes('turn') ? can.turn : undefined,
    tcp: plans.includes('tcp') ? can.tcp : [],
  };
}

/** What a viewer gets to hear of one candidate of the streamer's; nothing where it may use no UDP of the host. */
export function rewriteCandidate(
  candidate: Candidate,
  { plans, addresses, isPublished }: Pick<ChosenPlan, 'plans' | 'addresses' | 'isPublished'>,
): Candidate[] {
  // TURN needs them as a direct way does: it is the relay that sends to them then.
  if (!plans.includes('direct') && !plans.includes('turn')) return [];
  if (addresses.length === 0 || candidate.type !== 'host' || isIP(candidate.address) === 0) return [candidate];
  const isV6 = isIPv6(candidate.address);
  const told = addresses
    .filter((address) => isPublished || isIPv6(address) === isV6)
    .map((address, index) => {
      // Viewers on this machine reach the interface's own address, and a streamer may not listen on loopback.
      const isOwn = LOOPBACK.test(address) && !LOOPBACK.test(candidate.address);
      return atAddress(candidate, isOwn ? candidate.address : address, index);
    });
  return told.filter((one, index) => told.findIndex(({ address }) => address === one.address) === index);
}

function addressesFor(declared: readonly ReachAddress[], viewer: string): string[] {
  return declared.filter(({ network }) => network === undefined || isIn(network, viewer)).map(({ address }) => address);
}

function isIn(network: string, address: string): boolean {
  const [net = '', bits] = network.split('/');
  const list = new BlockList();
  list.addSubnet(net, Number(bits), isIPv6(net) ? 'ipv6' : 'ipv4');
  // An IPv4 peer of a socket that takes both is shown as ::ffff:1.2.3.4.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(plain) !== 0 && list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}

/** Reads `ADDRESS` or `ADDRESS=NETWORK/BITS`. @throws GatewayError BAD_REQUEST */
export function parseReachAddress(text: string): ReachAddress {
  const [address = '', network, ...more] = text.split('=');
  if (isIP(address) === 0 || more.length > 0)
    throw new GatewayError('BAD_REQUEST', `"${text}" is no IP address, alone or as ADDRESS=NETWORK/BITS`);
  if (network === undefined) return { address };
  const [net = '', bits = ''] = network.split('/');
  const family = isIP(net);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32))
    throw new GatewayError('BAD_REQUEST', `"${network}" is no network like 10.0.0.0/8`);
  return { address, network };
}
