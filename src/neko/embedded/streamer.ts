import type { Logger } from 'pino';
import { RTCDtlsTransport } from 'werift';
import type { ScreencastOptions } from './api-desktop.ts';
import type { EstimatorSettings } from './auto-quality.ts';
import { Desktop } from './desktop.ts';
import type { Flags } from './flags.ts';
import { HttpServer } from './http-server.ts';
import { MediaSource } from './media-source.ts';
import type { MemberProvider } from './members.ts';
import { renderMetrics } from './metrics.ts';
import { Microphone } from './microphone.ts';
import type { PeerMedia } from './peer.ts';
import { AUDIO, audioPipeline, VIDEO, videoPipeline } from './pipelines.ts';
import { Qualities } from './qualities.ts';
import { Room } from './room.ts';
import { SilentSource } from './silent-source.ts';
import { UdpPorts } from './udp-ports.ts';
import { Viewers } from './viewers.ts';

/** The embedded streamer: one desktop, spoken to as one speaks to neko. */
export class Streamer implements AsyncDisposable {
  readonly #http: HttpServer;
  readonly #desktop: Desktop;
  readonly #owned: AsyncDisposableStack;
  #closing: Promise<void> | undefined;

  /**
   * Starts it; it answers once this resolves. `env` is what its helper programs get, and nothing of neko's may be in it.
   * Rejects, and leaves nothing running, when the display or the address cannot be had.
   */
  static async start(flags: Flags, env: NodeJS.ProcessEnv, logger: Logger): Promise<Streamer> {
    await using starting = new AsyncDisposableStack();
    // Made now, or the first viewer would wait for it.
    await RTCDtlsTransport.SetupCertificate();
    const desktop = starting.use(
      await Desktop.open(
        {
          display: flags['desktop.display'],
          screen: flags['desktop.screen'],
          unminimize: flags['desktop.unminimize'],
          touch: flags['desktop.input.enabled'],
          env,
        },
        logger,
      ),
    );
    const media = openMedia(flags, desktop, env, logger);
    starting.use(media.qualities);
    starting.use(media.audio);
    const microphone = flags['capture.microphone.enabled']
      ? starting.use(new Microphone(flags['capture.microphone.device'], env, logger))
      : undefined;
    const room = new Room(
      desktop,
      {
        settings: settingsOf(flags),
        apiToken: flags['session.api_token'],
        videos: media.qualities.ids,
        screencast: flags['capture.screencast.enabled'],
        touch: flags['desktop.input.enabled'],
      },
      logger,
    );
    const network = {
      ports: new UdpPorts(flags['webrtc.epr']),
      iceLite: flags['webrtc.icelite'],
      addresses: flags['webrtc.nat1to1'],
    };
    const viewers = new Viewers(
      room,
      desktop,
      { network, media, microphone, iceServers: flags['webrtc.iceservers.frontend'] },
      logger,
    );
    starting.defer(() => viewers.close());
    tellOfDesktop(desktop, room, media.qualities, logger);
    const http = starting.use(
      await HttpServer.listen(
        { room, desktop, viewers },
        {
          ...flags['server.bind'],
          provider: providerOf(flags),
          metrics: flags['server.metrics'] ? () => renderMetrics({ room, media, microphone }) : undefined,
          screencast: screencastOf(flags),
          origins: flags['server.cors'],
        },
        logger,
      ),
    );
    // First of all to go: the server waits for its connections to end.
    starting.defer(() => room.close());
    return new Streamer(http, desktop, starting.move());
  }

  private constructor(http: HttpServer, desktop: Desktop, owned: AsyncDisposableStack) {
    this.#http = http;
    this.#desktop = desktop;
    this.#owned = owned;
  }

  get port(): number {
    return this.#http.port;
  }

  /** Resolves with why when it can go on no longer: its X server is gone. */
  get failed(): Promise<Error> {
    return this.#desktop.lost;
  }

  /** Ends all connections, all media and every child process. */
  close(): Promise<void> {
    return (this.#closing ??= this.#owned.disposeAsync());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function openMedia(flags: Flags, desktop: Desktop, env: NodeJS.ProcessEnv, logger: Logger): PeerMedia {
  const display = flags['capture.video.display'] || flags['desktop.display'];
  const isOneDisplay = display === flags['desktop.display'];
  const encodings = [...flags['capture.video.pipelines']];
  const sources = encodings.map(
    ([id, encoding]) =>
      new MediaSource(
        {
          id,
          pipeline: () => videoPipeline(display, encoding, desktop.screen.size),
          env,
          keyFrames: true,
          ssrc: VIDEO.ssrc,
          screen: isOneDisplay ? desktop.changes : undefined,
        },
        logger,
      ),
  );
  const ids = flags['capture.video.ids'].length > 0 ? flags['capture.video.ids'] : encodings.map(([id]) => id);
  const device = flags['capture.audio.device'];
  const audio =
    device === ''
      ? new SilentSource()
      : new MediaSource(
          {
            id: 'audio',
            pipeline: () => audioPipeline(device),
            env,
            keyFrames: false,
            ssrc: AUDIO.ssrc,
            screen: undefined,
          },
          logger,
        );
  return { qualities: new Qualities(sources, ids), audio, estimator: estimatorOf(flags) };
}

/** What happens on the desktop by itself, and who is told. */
function tellOfDesktop(desktop: Desktop, room: Room, qualities: Qualities, logger: Logger): void {
  desktop.screen.watch((size, isOurs) => {
    logger.info(size, 'screen size changed');
    // ximagesrc goes on with the size that it started with.
    for (const source of qualities.sources) void source.stoppedDuring(async () => undefined);
    // Who set it by a message tells the others himself.
    if (!isOurs) room.broadcast('screen/updated', { ...size, id: '' });
  });
  desktop.clipboard.watch(() => {
    const { host } = room;
    if (host === undefined || !host.profile.can_access_clipboard) return;
    desktop.clipboard.getText().then(
      (text) => host.send('clipboard/updated', { text }),
      (error: unknown) => logger.debug({ err: error }, 'no clipboard text'),
    );
  });
}

function settingsOf(flags: Flags): Room['settings'] {
  return {
    private_mode: flags['session.private_mode'],
    locked_logins: flags['session.locked_logins'],
    locked_controls: flags['session.locked_controls'],
    control_protection: flags['session.control_protection'],
    implicit_hosting: flags['session.implicit_hosting'],
    inactive_cursors: flags['session.inactive_cursors'],
    merciful_reconnect: flags['session.merciful_reconnect'],
    heartbeat_interval: flags['session.heartbeat_interval'],
    plugins: null,
  };
}

function estimatorOf(flags: Flags): EstimatorSettings | undefined {
  if (!flags['webrtc.estimator.enabled']) return undefined;
  return {
    isPassive: flags['webrtc.estimator.passive'],
    isDebug: flags['webrtc.estimator.debug'],
    initialBitrate: flags['webrtc.estimator.initial_bitrate'],
    readIntervalMs: flags['webrtc.estimator.read_interval'],
    stableMs: flags['webrtc.estimator.stable_duration'],
    unstableMs: flags['webrtc.estimator.unstable_duration'],
    stalledMs: flags['webrtc.estimator.stalled_duration'],
    downgradeBackoffMs: flags['webrtc.estimator.downgrade_backoff'],
    upgradeBackoffMs: flags['webrtc.estimator.upgrade_backoff'],
    diffThreshold: flags['webrtc.estimator.diff_threshold'],
  };
}

function screencastOf(flags: Flags): ScreencastOptions | undefined {
  if (!flags['capture.screencast.enabled']) return undefined;
  return { quality: flags['capture.screencast.quality'], everyMs: 1000 / flags['capture.screencast.rate'] };
}

function providerOf(flags: Flags): MemberProvider {
  if (flags['member.provider'] === 'noauth') return { type: 'noauth' };
  return {
    type: 'multiuser',
    adminPassword: flags['member.multiuser.admin_password'],
    userPassword: flags['member.multiuser.user_password'],
  };
}
