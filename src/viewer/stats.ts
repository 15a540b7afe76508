import type { IcePlan } from '../protocol/ice.ts';

/** How the stream does, about every two seconds. A figure is undefined where the browser or the stream does not tell it yet. */
export interface Stats {
  /** Round trip over the data channel, through the desktop's input: what a key press takes to get there and back. */
  readonly rttMs: number | undefined;
  readonly framesPerSecond: number | undefined;
  readonly framesDecoded: number | undefined;
  readonly framesDropped: number | undefined;
  readonly bytesReceived: number | undefined;
  readonly packetsReceived: number | undefined;
  /** How long ago the picture's last packet came. */
  readonly silentMs: number | undefined;
  /** Picture and sound together, since the sample before. */
  readonly kbitPerSecond: number | undefined;
  /** Packets of the picture that never came, in percent, since the sample before. */
  readonly lossPercent: number | undefined;
  readonly jitterMs: number | undefined;
  /** The picture's size as it is sent. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** The codec as in SDP, `video/VP8`. */
  readonly codec: string | undefined;
  /** The way that media takes. */
  readonly route: Route | undefined;
}

export interface Route {
  /** ICE candidate types: `host`, `srflx`, `prflx`, `relay`. */
  readonly localType: string;
  readonly remoteType: string;
  /** `udp` or `tcp`; to the relay where there is one. */
  readonly protocol: string;
  /** Round trip as ICE measures it. */
  readonly rttMs: number | undefined;
}

type Entry = ReadonlyMap<string, unknown>;

/** What one sample leaves for the next, since some figures are differences. */
export interface StatsTotals {
  readonly atMs: number;
  readonly bytes: number;
  readonly lost: number;
  readonly received: number;
}

/** The figures of what comes in, from a WebRTC report (W3C webrtc-stats). */
export function sampleStats(
  report: RTCStatsReport,
  rttMs: number | undefined,
  before: StatsTotals | undefined,
): { stats: Stats; totals: StatsTotals } {
  const entries = new Map<string, Entry>();
  report.forEach((entry: object, id: string) => entries.set(id, new Map(Object.entries(entry))));
  const inbound = [...entries.values()].filter((entry) => entry.get('type') === 'inbound-rtp');
  const video = inbound.find((entry) => entry.get('kind') === 'video');
  const totals: StatsTotals = {
    atMs: numberOf(video, 'timestamp') ?? 0,
    bytes: inbound.reduce((sum, entry) => sum + (numberOf(entry, 'bytesReceived') ?? 0), 0),
    lost: numberOf(video, 'packetsLost') ?? 0,
    received: numberOf(video, 'packetsReceived') ?? 0,
  };
  const stats: Stats = {
    rttMs,
    // Chromium leaves it out while nothing comes.
    framesPerSecond: numberOf(video, 'framesPerSecond') ?? (video === undefined ? undefined : 0),
    framesDecoded: numberOf(video, 'framesDecoded'),
    framesDropped: numberOf(video, 'framesDropped'),
    bytesReceived: numberOf(video, 'bytesReceived'),
    packetsReceived: numberOf(video, 'packetsReceived'),
    silentMs: difference(numberOf(video, 'timestamp'), numberOf(video, 'lastPacketReceivedTimestamp')),
    kbitPerSecond: before === undefined ? undefined : rateOf(before, totals),
    lossPercent: before === undefined ? undefined : lossOf(before, totals),
    jitterMs: inMs(numberOf(video, 'jitter')),
    width: numberOf(video, 'frameWidth'),
    height: numberOf(video, 'frameHeight'),
    codec: findString(entries.get(String(video?.get('codecId'))), 'mimeType'),
    route: findRoute(entries),
  };
  return { stats, totals };
}

function rateOf(before: StatsTotals, now: StatsTotals): number | undefined {
  const ms = now.atMs - before.atMs;
  // Bits in a millisecond are kilobits in a second. A counter that went back belongs to another stream.
  return ms > 0 && now.bytes >= before.bytes ? ((now.bytes - before.bytes) * 8) / ms : undefined;
}

function lossOf(before: StatsTotals, now: StatsTotals): number {
  const lost = Math.max(0, now.lost - before.lost);
  const sent = lost + Math.max(0, now.received - before.received);
  return sent === 0 ? 0 : (lost / sent) * 100;
}

function findRoute(entries: ReadonlyMap<string, Entry>): Route | undefined {
  const all = [...entries.values()];
  const transport = all.find((entry) => entry.get('type') === 'transport');
  const pair =
    entries.get(String(transport?.get('selectedCandidatePairId'))) ??
    // Firefox has no transport entry, and marks the pair.
    all.find((entry) => entry.get('type') === 'candidate-pair' && entry.get('selected') === true);
  const local = entries.get(String(pair?.get('localCandidateId')));
  const remote = entries.get(String(pair?.get('remoteCandidateId')));
  if (local === undefined || remote === undefined) return undefined;
  return {
    localType: findString(local, 'candidateType') ?? 'unknown',
    remoteType: findString(remote, 'candidateType') ?? 'unknown',
    protocol: findString(local, 'relayProtocol') ?? findString(local, 'protocol') ?? 'unknown',
    rttMs: inMs(numberOf(pair, 'currentRoundTripTime')),
  };
}

/** Which of the gateway's ways a route is. */
export function planOf({ localType, protocol }: Route): IcePlan {
  if (localType === 'relay') return 'turn';
  return protocol === 'tcp' ? 'tcp' : 'direct';
}

function difference(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined ? undefined : Math.max(0, now - before);
}

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

function numberOf(entry: Entry | undefined, name: string): number | undefined {
  const value = entry?.get(name);
  return typeof value === 'number' ? value : undefined;
}

function findString(entry: Entry | undefined, name: string): string | undefined {
  const value = entry?.get(name);
  return typeof value === 'string' ? value : undefined;
}
