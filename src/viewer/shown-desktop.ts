import type { Attributes } from './attributes.ts';
import type { ConnectionOptions } from './connection.ts';
import type { ControlStatus } from './controls.ts';
import { DesktopClient, type DesktopListener } from './desktop-client.ts';
import { Media } from './media.ts';
import type { Screen } from './messages.ts';
import { Microphone } from './microphone.ts';
import { explain } from './reasons.ts';
import type { Stats } from './stats.ts';
import type { ViewerState } from './viewer-state.ts';
import { VncView } from './vnc/vnc-view.ts';

/** What the client tells, once it is noted, and what else is another. */
export interface ShownDesktopListener extends Omit<DesktopListener, 'offerChanged' | 'gotTrack' | 'openVnc'> {
  /** The state is about to be another. What is held down may still get through. */
  stateChanging(next: ViewerState): void;
  /** The same of control. */
  controlChanging(next: ControlStatus): void;
  /** The first frame of a stream was shown. */
  firstFrame(): void;
  /** Something else that is shown is another: media, microphone, what there is to choose from. */
  changed(): void;
}

const NOBODY: ControlStatus = {
  control: { holder: 'unknown' },
  mayControl: false,
  isAsking: false,
  askedBy: undefined,
  program: undefined,
};
const NO_SCREEN: Screen = { width: 0, height: 0, rate: 0 };

/**
 * The desktop that an element shows, over all its connections: the client of the present one, its picture and sound, and what
 * was told last. `target` is read at each connect.
 */
export class ShownDesktop {
  readonly media: Media;
  readonly microphone: Microphone;
  readonly vnc = new VncView();
  readonly #target: ConnectionOptions;
  readonly #attributes: Attributes;
  readonly #listener: ShownDesktopListener;
  #client: DesktopClient | undefined;
  #state: ViewerState = { name: 'closed', reason: explain('DISCONNECTED') };
  #control = NOBODY;
  #screen = NO_SCREEN;
  #stats: Stats | undefined;

  constructor(target: ConnectionOptions, attributes: Attributes, listener: ShownDesktopListener) {
    this.#target = target;
    this.#attributes = attributes;
    this.#listener = listener;
    this.media = new Media({ firstFrame: () => this.#firstFrame(), changed: () => listener.changed() });
    this.microphone = new Microphone(() => listener.changed());
  }

  /** Of the present connection, or of the last; undefined before the first. */
  get client(): DesktopClient | undefined {
    return this.#client;
  }

  get state(): ViewerState {
    return this.#state;
  }

  get control(): ControlStatus {
    return this.#control;
  }

  get screen(): Screen {
    return this.#screen;
  }

  /** Undefined before they are measured, and while the desktop is not live. */
  get stats(): Stats | undefined {
    return this.#stats;
  }

  /** Connects now, in place of a connection that there is. Without a session or an access the state says which is missing. */
  connect(): void {
    this.#client?.close();
    const { server, session, access } = this.#target;
    if (session === '' || access === '') {
      this.#setState({ name: 'closed', reason: explain(session === '' ? 'SESSION_NOT_FOUND' : 'UNAUTHENTICATED') });
      return;
    }
    const { ice, mayFallBack } = this.#attributes;
    const client = new DesktopClient({ server, session, access, ice, mayFallBack }, this.#listen());
    this.#client = client;
    client.controls.setViewOnly(this.#attributes.isViewOnly);
    client.open();
  }

  /** Tries again now what waits for its next try; else connects anew. */
  tryAgain(): void {
    if (this.#state.name === 'reconnecting') this.#client?.retry();
    else this.connect();
  }

  /** Rejects where the person or the browser refuses; does nothing for an access that may not share media. */
  async toggleMicrophone(): Promise<void> {
    const client = this.#client;
    if (client === undefined || !client.mayShareMedia) return;
    await (this.microphone.isOn ? this.microphone.end(client.stream) : this.microphone.start(client.stream));
  }

  #listen(): DesktopListener {
    const listener = this.#listener;
    return {
      ...listener,
      stateChanged: (state) => this.#setState(state),
      controlChanged: (status) => {
        listener.controlChanging(status);
        this.#control = status;
        listener.controlChanged(status);
      },
      offerChanged: () => listener.changed(),
      streamStarted: () => {
        this.media.start();
        this.microphone.stop();
        listener.streamStarted();
      },
      gotTrack: (track) => this.#gotTrack(track),
      openVnc: (dial, one) => this.vnc.open(dial, one),
      screenChanged: (screen) => {
        this.#screen = screen;
        listener.screenChanged(screen);
      },
      measured: (stats) => {
        this.#stats = stats;
        listener.measured(stats);
      },
    };
  }

  #setState(state: ViewerState): void {
    this.#listener.stateChanging(state);
    if (state.name !== 'live') this.#stats = undefined;
    this.#state = state;
    if (state.name === 'closed') {
      this.media.clear();
      this.microphone.stop();
    }
    this.#listener.stateChanged(state);
  }

  #gotTrack(track: MediaStreamTrack): void {
    this.media.addTrack(track);
    const mayPlaySound = navigator.userActivation?.hasBeenActive && !this.#attributes.isMuted;
    if (mayPlaySound && track.kind === 'video') this.media.setMuted(false);
  }

  #firstFrame(): boolean {
    if (this.#client?.stream.frameSeen() !== true) return false;
    performance.mark('neko-viewer:first-frame');
    this.#listener.firstFrame();
    return true;
  }
}
