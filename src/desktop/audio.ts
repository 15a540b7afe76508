import { rm } from 'node:fs/promises';
import { Child } from '../process/child.ts';
import { untilThere } from '../process/until-there.ts';
import { baseEnvironment, pulseSocketOf, type DesktopEnvironment } from './environment.ts';
import type { Part } from './keeper.ts';

/** The sink that programs play into; its monitor is what the streamer records. neko's own default names. */
const SINK = 'audio_output';
export const AUDIO_DEVICE = `${SINK}.monitor`;

const READY_POLL_MS = 20;

/** A sound server of the session's own, with one sink that plays to nobody. */
export function soundServer(file: string, environment: DesktopEnvironment): Part {
  const socket = pulseSocketOf(environment.folder);
  const args = [
    // No default script, so nothing but what stands here: no hardware, no TCP, no D-Bus.
    ['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--disallow-module-loading'],
    ['--realtime=no', '--high-priority=no', '--log-target=stderr', '--log-level=notice'],
    // Opus's own rate, so that nothing is resampled on the way.
    ['--load', `module-null-sink sink_name=${SINK} rate=48000 sink_properties=device.description=Desktop`],
    // The folder around the socket is this user's alone.
    ['--load', `module-native-protocol-unix socket=${socket} auth-anonymous=1`],
  ].flat();
  return {
    name: 'the sound server',
    start: async (signal) => {
      // One that was killed left its socket, which would be taken for the new one's.
      await rm(socket, { force: true });
      return Child.start(
        { name: 'the sound server', file, args, env: baseEnvironment(environment), cwd: environment.folder.run },
        (_child, untilExit) => untilThere(socket, READY_POLL_MS, untilExit),
        signal,
      );
    },
  };
}
