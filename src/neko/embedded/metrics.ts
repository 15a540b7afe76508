// The streamer's state as Prometheus reads it (text format 0.0.4), under neko's names: its internal/capture and
// internal/webrtc/metrics.go. What neko counts of features that this streamer hasn't is left out.
import type { PacketSource } from './media-source.ts';
import type { Microphone } from './microphone.ts';
import { type Peer, PEER_STATES, type PeerMedia } from './peer.ts';
import type { Room } from './room.ts';
import type { Session } from './session.ts';

interface Sample {
  labels: Readonly<Record<string, string>>;
  value: number;
}

export interface Measured {
  room: Room;
  media: PeerMedia;
  microphone: Microphone | undefined;
}

export function renderMetrics({ room, media, microphone }: Measured): string {
  const streams = [
    ...media.qualities.sources.map((source) => ({ source, codec: { codec_name: 'vp8', codec_type: 'video' } })),
    { source: media.audio, codec: { codec_name: 'opus', codec_type: 'audio' } },
  ];
  const ofStreams = (measure: (source: PacketSource) => number, more: Record<string, string> = {}): Sample[] =>
    streams.map(({ source, codec }) => ({
      labels: { ...codec, ...more, video_id: source.id },
      value: measure(source),
    }));
  const speech = microphone && { codec_name: 'opus', codec_type: 'audio', video_id: 'microphone' };
  const ofSpeech = (value: number, more: Record<string, string> = {}): Sample[] =>
    speech === undefined ? [] : [{ labels: { ...speech, ...more }, value }];
  const counts = microphone?.counts ?? { starts: 0, packets: 0, bytes: 0 };
  return [
    gauge(
      'neko_capture_streamsink_listeners',
      'Viewers of a pipeline.',
      ofStreams((source) => source.listeners),
    ),
    counter(
      'neko_capture_streamsink_bytes',
      'Bytes that a pipeline made.',
      ofStreams((source) => source.bytes),
    ),
    counter('neko_capture_pipelines_total', 'Starts of a pipeline.', [
      ...ofStreams((source) => source.starts, { submodule: 'streamsink' }),
      ...ofSpeech(counts.starts, { submodule: 'streamsrc' }),
    ]),
    gauge('neko_capture_pipelines_active', 'Whether a pipeline runs.', [
      ...ofStreams((source) => (source.isRunning ? 1 : 0), { submodule: 'streamsink' }),
      ...ofSpeech(microphone?.isRunning === true ? 1 : 0, { submodule: 'streamsrc' }),
    ]),
    metric('summary', 'neko_capture_streamsrc_data_bytes', 'Data given to a pipeline.', {
      _sum: ofSpeech(counts.bytes),
      _count: ofSpeech(counts.packets),
    }),
    ...renderPeers(room.sessions),
    gauge('process_resident_memory_bytes', 'Resident memory of the streamer alone.', [
      { labels: {}, value: process.memoryUsage.rss() },
    ]),
  ].join('');
}

/** Of each session that has or had a connection; a session that logs out takes its own with it. */
function renderPeers(sessions: readonly Session[]): string[] {
  const watched = sessions.filter((session) => session.peerCount > 0);
  const each = (
    measure: (session: Session) => number | undefined,
    more: Readonly<Record<string, string>> = {},
  ): Sample[] =>
    watched.flatMap((session) => {
      const value = measure(session);
      return value === undefined ? [] : [{ labels: { ...more, session_id: session.id }, value }];
    });
  const ofPeers = (measure: (peer: Peer) => number): Sample[] =>
    each((session) => (session.peer === undefined ? 0 : measure(session.peer)));
  const flow = (way: 'sent' | 'received'): Sample[] =>
    (['ice', 'sctp'] as const).flatMap((transport) =>
      each(({ peer }) => peer?.bytes[transport][way] ?? 0, { transport }),
    );
  return [
    gauge(
      'neko_webrtc_connection_state',
      'State of the connection.',
      each(({ peer }) => PEER_STATES[peer?.state ?? 'closed']),
    ),
    counter(
      'neko_webrtc_connection_state_count',
      'Changes of the connection’s state.',
      ofPeers((peer) => peer.stateChanges),
    ),
    counter(
      'neko_webrtc_ice_candidates_count',
      'Candidates of the viewer.',
      each(({ peer }) => peer?.remoteCandidates.told ?? 0, { protocol: 'udp' }),
    ),
    gauge(
      'neko_webrtc_ice_candidates_used',
      'Candidates of the viewer in use.',
      each(({ peer }) => peer?.remoteCandidates.used ?? 0, { protocol: 'udp' }),
    ),
    counter(
      'neko_webrtc_connection_count',
      'Connections so far.',
      each((session) => session.peerCount),
    ),
    gauge(
      'neko_webrtc_video_listeners',
      'The quality that is watched.',
      watched.flatMap(({ id, peer }) =>
        peer === undefined ? [] : [{ labels: { session_id: id, video_id: peer.quality.id }, value: 1 }],
      ),
    ),
    gauge(
      'neko_webrtc_receiver_estimated_maximum_bitrate',
      'Bits a second that the viewer says it can take.',
      ofPeers(({ feedback }) => feedback.maximumBitrate),
    ),
    gauge(
      'neko_webrtc_receiver_estimated_target_bitrate',
      'Bits a second that the connection is thought to carry.',
      ofPeers((peer) => peer.estimate ?? 0),
    ),
    gauge(
      'neko_webrtc_receiver_report_delay',
      'From the last sender report to the receiver’s, in 1/65536 s.',
      ofPeers(({ feedback }) => feedback.delay),
    ),
    gauge(
      'neko_webrtc_receiver_report_jitter',
      'Jitter of arrival.',
      ofPeers(({ feedback }) => feedback.jitter),
    ),
    gauge(
      'neko_webrtc_receiver_report_total_lost',
      'Packets lost.',
      ofPeers(({ feedback }) => feedback.totalLost),
    ),
    counter(
      'neko_webrtc_transport_layer_nacks',
      'Packets asked for again.',
      ofPeers(({ feedback }) => feedback.nacks),
    ),
    gauge('neko_webrtc_bytes_sent', 'Sent to the viewer.', flow('sent')),
    gauge('neko_webrtc_bytes_received', 'Received from the viewer.', flow('received')),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return metric('gauge', name, help, { '': samples });
}

function counter(name: string, help: string, samples: readonly Sample[]): string {
  return metric('counter', name, help, { '': samples });
}

/** `samples` by what follows the name; nothing where there are none. */
function metric(
  type: string,
  name: string,
  help: string,
  samples: Readonly<Record<string, readonly Sample[]>>,
): string {
  const lines = Object.entries(samples).flatMap(([suffix, each]) =>
    each.map(({ labels, value }) => `${name}${suffix}${renderLabels(labels)} ${value}\n`),
  );
  return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
