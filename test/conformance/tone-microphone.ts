import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { MediaStreamTrack } from 'werift';

/** A microphone that hears a tone. */
export class ToneMicrophone implements AsyncDisposable {
  readonly track = new MediaStreamTrack({ kind: 'audio' });
  readonly #stop: () => Promise<void>;

  static async open(): Promise<ToneMicrophone> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const child = spawn(
      'gst-launch-1.0',
      [
        [
          'audiotestsrc',
          'is-live=true',
          'freq=880',
          'volume=0.8',
          '!',
          'audio/x-raw,rate=48000,channels=2',
          '!',
          'opusenc',
        ],
        ['!', 'rtpopuspay', 'pt=111', '!', 'udpsink', 'host=127.0.0.1', `port=${socket.address().port}`],
      ].flat(),
      { stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } },
    );
    const ended = once(child, 'exit');
    const microphone = new ToneMicrophone(async () => {
      child.kill('SIGTERM');
      await ended;
      socket.close();
    });
    socket.on('message', (packet) => microphone.track.writeRtp(packet));
    return microphone;
  }

  private constructor(stop: () => Promise<void>) {
    this.#stop = stop;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}
