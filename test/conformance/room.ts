import { SessionData, type SessionState } from '../../src/signaling/messages.ts';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type JoinOptions, NekoClient } from '../harness/neko-client.ts';
import type { ReceivedMedia } from '../harness/received-media.ts';
import { Xvnc } from '../harness/xvnc.ts';
import { openBusyWindow } from './busy-window.ts';
import { DesktopWatcher } from './desktop-watcher.ts';
import { AUDIO_DEVICE, SoundServer } from './sound-server.ts';
import { PASSWORDS, startStreamer, type StreamerOptions } from './streamer-process.ts';
import { type Passwords, target } from './target.ts';

export interface RoomNeeds extends Omit<StreamerOptions, 'sound'> {
  /** The desktop has sound. */
  sound?: boolean;
  /** The cases look at the X server. */
  display?: boolean;
  /** Something moves on the screen all the time. */
  busy?: boolean;
}

interface RoomPlace {
  baseUrl: string;
  passwords: Passwords;
  xvnc?: Xvnc;
  desktop?: DesktopWatcher | undefined;
  sound?: SoundServer | undefined;
}

/** One streamer that the cases of a group share; each case's clients end with it. */
export class Room {
  readonly baseUrl: string;
  readonly passwords: Passwords;
  readonly #xvnc: Xvnc | undefined;
  readonly #desktop: DesktopWatcher | undefined;
  readonly #sound: SoundServer | undefined;
  readonly #clients: NekoClient[] = [];

  constructor(place: RoomPlace) {
    this.baseUrl = place.baseUrl;
    this.passwords = place.passwords;
    this.#xvnc = place.xvnc;
    this.#desktop = place.desktop;
    this.#sound = place.sound;
  }

  get desktop(): DesktopWatcher {
    if (this.#desktop === undefined) throw new Error('this group did not say that it needs the display');
    return this.#desktop;
  }

  get xvnc(): Xvnc {
    if (this.#xvnc === undefined) throw new Error('this group did not say that it needs the display');
    return this.#xvnc;
  }

  get sound(): SoundServer {
    if (this.#sound === undefined) throw new Error('this group did not say that it needs sound');
    return this.#sound;
  }

  /** An administrator's login. */
  admin(name = 'admin'): Promise<NekoClient> {
    return this.#login(this.passwords.admin, name);
  }

  /** A user's login. */
  user(name = 'user'): Promise<NekoClient> {
    return this.#login(this.passwords.user, name);
  }

  /** An administrator whose WebSocket is open. */
  async connected(name?: string): Promise<NekoClient> {
    const client = await this.admin(name);
    await client.connect();
    return client;
  }

  /** A user whose WebSocket is open. */
  async connectedUser(name?: string): Promise<NekoClient> {
    const client = await this.user(name);
    await client.connect();
    return client;
  }

  /** An administrator with media. */
  async watching(options: JoinOptions = {}): Promise<{ client: NekoClient; media: ReceivedMedia }> {
    const client = await this.connected();
    return { client, media: await client.join(options) };
  }

  /** An administrator with a data channel that has the controls. */
  async driving(): Promise<{ client: NekoClient; media: ReceivedMedia }> {
    const { client, media } = await this.watching({ video: false, audio: false });
    await takeControls(client);
    return { client, media };
  }

  /** How a login is connected now. */
  async stateOf(client: NekoClient): Promise<SessionState> {
    return SessionData.parse((await client.call('GET', '/whoami')).body).state;
  }

  /** Any call, without a login's token. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.baseUrl}${path}`, init);
  }

  async leave(): Promise<void> {
    const clients = this.#clients.splice(0);
    await Promise.all(
      clients.map(async (client) => {
        await client.call('POST', '/logout');
        await client[Symbol.asyncDispose]();
      }),
    );
  }

  async #login(password: string, name: string): Promise<NekoClient> {
    const client = await NekoClient.login(this.baseUrl, password, name);
    this.#clients.push(client);
    return client;
  }
}

/** Requests the controls and waits until the client has them. */
export async function takeControls(client: NekoClient): Promise<void> {
  client.send('control/request');
  await client.next('control/host', ({ payload }) => payload.host_id === client.id);
}

/** A group of cases and the streamer that they share, started with what they need. `room` is there once a case runs. */
export function describeRoom(title: string, needs: RoomNeeds, cases: (room: () => Room) => void): void {
  const streamer = target();
  const cannot =
    streamer.kind === 'url' && (needs.display === true || needs.flags !== undefined || needs.sound !== undefined);
  // oxlint-disable-next-line vitest/valid-title -- the group's own
  describe.skipIf(cannot)(title, () => {
    let room: Room | undefined;
    const opened = new AsyncDisposableStack();
    beforeAll(async () => {
      room =
        streamer.kind === 'url'
          ? new Room({ baseUrl: streamer.url, passwords: streamer.passwords })
          : await openRoom(opened, needs);
    });
    afterEach(() => room?.leave());
    afterAll(() => opened.disposeAsync());
    cases(() => {
      if (room === undefined) throw new Error('the room is not open yet');
      return room;
    });
  });
}

async function openRoom(opened: AsyncDisposableStack, needs: RoomNeeds): Promise<Room> {
  const streamer = target();
  if (streamer.kind === 'url') throw new Error('it runs already');
  // On a busy machine a key's release may come so late that the key would repeat.
  const xvnc = opened.use(await Xvnc.start({ autoRepeat: false }));
  if (needs.busy === true) opened.use(openBusyWindow(xvnc));
  const sound = needs.sound === true ? opened.use(await SoundServer.start()) : undefined;
  const { baseUrl } = opened.use(
    await startStreamer(streamer, xvnc, {
      flags: needs.flags ?? {},
      ...(sound === undefined ? {} : { sound: { device: AUDIO_DEVICE, environment: sound.environment } }),
    }),
  );
  const desktop = needs.display === true ? opened.use(await DesktopWatcher.open(xvnc)) : undefined;
  return new Room({ baseUrl, passwords: PASSWORDS, xvnc, desktop, sound });
}
