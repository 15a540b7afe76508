import type { Logger } from 'pino';
import { RTCDtlsTransport } from 'werift';
import { Desktop } from './desktop.ts';
import type { Flags } from './flags.ts';
import { HttpServer } from './http-server.ts';
import { MediaSource } from './media-source.ts';
import type { MemberProvider } from './members.ts';
import { renderMetrics } from './metrics.ts';
import { AUDIO, audioPipeline, VIDEO, videoPipeline } from './pipelines.ts';
import { Room } from './room.ts';
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
          env,
        },
        logger,
      ),
    );
    const media = openMedia(flags, env, logger);
    starting.use(media.video);
    if (media.audio) starting.use(media.audio);
    const room = new Room(desktop, { settings: settingsOf(flags), apiToken: flags['session.api_token'] }, logger);
    const network = {
      ports: new UdpPorts(flags['webrtc.epr']),
      iceLite: flags['webrtc.icelite'],
      addresses: flags['webrtc.nat1to1'],
    };
    const viewers = new Viewers(
      room,
      desktop,
      { network, media, iceServers: flags['webrtc.iceservers.frontend'] },
      logger,
    );
    starting.defer(() => viewers.close());
    tellOfDesktop(desktop, room, media.video, logger);
    const http = starting.use(
      await HttpServer.listen(
        { room, desktop, viewers },
        {
          ...flags['server.bind'],
          provider: providerOf(flags),
          metrics: flags['server.metrics'] ? () => renderMetrics({ room, viewers, media }) : undefined,
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

function openMedia(
  flags: Flags,
  env: NodeJS.ProcessEnv,
  logger: Logger,
): { video: MediaSource; audio: MediaSource | undefined } {
  const display = flags['capture.video.display'] || flags['desktop.display'];
  const encoding = flags['capture.video.pipelines'];
  const device = flags['capture.audio.device'];
  const video = new MediaSource(
    { name: 'video', pipeline: () => videoPipeline(display, encoding), env, keyFrames: true, ssrc: VIDEO.ssrc },
    logger,
  );
  const audio =
    device === ''
      ? undefined
      : new MediaSource(
          { name: 'audio', pipeline: () => audioPipeline(device), env, keyFrames: false, ssrc: AUDIO.ssrc },
          logger,
        );
  return { video, audio };
}

/** What happens on the desktop by itself, and who is told. */
function tellOfDesktop(desktop: Desktop, room: Room, video: MediaSource, logger: Logger): void {
  desktop.screen.watch((size, isOurs) => {
    logger.info(size, 'screen size changed');
    // ximagesrc goes on with the size that it started with.
    void video.stoppedDuring(async () => undefined);
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
    private_mode: false,
    locked_logins: flags['session.locked_logins'],
    locked_controls: flags['session.locked_controls'],
    control_protection: false,
    implicit_hosting: flags['session.implicit_hosting'],
    inactive_cursors: false,
    merciful_reconnect: flags['session.merciful_reconnect'],
    heartbeat_interval: flags['session.heartbeat_interval'],
    plugins: null,
  };
}

function providerOf(flags: Flags): MemberProvider {
  if (flags['member.provider'] === 'noauth') return { type: 'noauth' };
  return {
    type: 'multiuser',
    adminPassword: flags['member.multiuser.admin_password'],
    userPassword: flags['member.multiuser.user_password'],
  };
}
