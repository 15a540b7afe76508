/** How the stream does, about every two seconds. */
export interface Stats {
  /** Round trip over the data channel; undefined until the first pong. */
  readonly rttMs: number | undefined;
  readonly framesPerSecond: number | undefined;
  readonly framesDecoded: number | undefined;
  readonly framesDropped: number | undefined;
  readonly bytesReceived: number | undefined;
  /** The codec as in SDP, `video/VP8`. */
  readonly codec: string | undefined;
}

/** The figures of the video that comes in, from a WebRTC report (W3C webrtc-stats). */
export function sampleStats(report: RTCStatsReport, rttMs: number | undefined): Stats {
  const entries = new Map<string, ReadonlyMap<string, unknown>>();
  report.forEach((entry: object, id: string) => entries.set(id, new Map(Object.entries(entry))));
  const video = [...entries.values()].find(
    (entry) => entry.get('type') === 'inbound-rtp' && entry.get('kind') === 'video',
  );
  const codec = entries.get(String(video?.get('codecId')))?.get('mimeType');
  return {
    rttMs,
    framesPerSecond: numberOf(video, 'framesPerSecond'),
    framesDecoded: numberOf(video, 'framesDecoded'),
    framesDropped: numberOf(video, 'framesDropped'),
    bytesReceived: numberOf(video, 'bytesReceived'),
    codec: typeof codec === 'string' ? codec : undefined,
  };
}

function numberOf(entry: ReadonlyMap<string, unknown> | undefined, name: string): number | undefined {
  const value = entry?.get(name);
  return typeof value === 'number' ? value : undefined;
}
