import type { PeerMedia } from './peer.ts';
import type { Room } from './room.ts';
import type { Viewers } from './viewers.ts';

/** The streamer's state as Prometheus reads it (text format 0.0.4). */
export function renderMetrics(parts: { room: Room; viewers: Viewers; media: PeerMedia }): string {
  const { room, viewers, media } = parts;
  const { sessions } = room;
  return [
    gauge('neko_sessions', 'Logins.', sessions.length),
    gauge(
      'neko_sessions_connected',
      'Logins with a WebSocket.',
      sessions.filter((one) => one.state.is_connected).length,
    ),
    gauge('neko_sessions_watching', 'Logins with media.', sessions.filter((one) => one.state.is_watching).length),
    gauge('neko_webrtc_peers', 'WebRTC connections, connected or on the way.', viewers.count),
    gauge('neko_video_pipeline_running', 'Whether the screen is being encoded.', media.video.isRunning ? 1 : 0),
    counter('neko_video_pipeline_starts_total', 'Starts of the video pipeline.', media.video.starts),
    counter('neko_audio_pipeline_starts_total', 'Starts of the audio pipeline.', media.audio?.starts ?? 0),
    gauge('process_resident_memory_bytes', 'Resident memory of the streamer alone.', process.memoryUsage.rss()),
  ].join('');
}

function gauge(name: string, help: string, value: number): string {
  return metric('gauge', name, help, value);
}

function counter(name: string, help: string, value: number): string {
  return metric('counter', name, help, value);
}

function metric(type: string, name: string, help: string, value: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`;
}
