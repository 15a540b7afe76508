import type { ControlStatus } from './controls.ts';
import { DesktopClient, type DesktopListener, type ViewerState } from './desktop-client.ts';
import { setText } from './dom.ts';
import type { ViewerEvents } from './events.ts';
import { toggleFullscreen } from './fullscreen.ts';
import type { Scaling } from './geometry.ts';
import { Keyboard } from './input/keyboard.ts';
import { Pointer } from './input/pointer.ts';
import { Media } from './media.ts';
import { Notice } from './overlay/notice.ts';
import { StatusScreen } from './overlay/status-screen.ts';
import { Toolbar } from './overlay/toolbar.ts';
import { explain } from './reasons.ts';
import { Shell } from './shell.ts';
import { makeStyleSheet } from './styles.ts';

const NOBODY: ControlStatus = {
  control: { holder: 'unknown' },
  mayControl: false,
  isAsking: false,
  askedBy: undefined,
};

/**
 * `<neko-viewer>` shows one desktop and lets it be driven. Attributes: `server` (the gateway's base address; the page's origin
 * when left out), `session`, `access` (the token; the property of that name keeps it out of the document), `view-only`, `muted`
 * (no sound, and no offer of it), `scaling` (`fit` or `none`), `auto-control` (`press`: a press on a free desktop takes control; or `off`).
 * It connects when it is in a document and has a session and an access, again when one of these changes, and leaves the
 * session when it is taken out of the document. Events: `ViewerEvents`.
 */
export class NekoViewer extends HTMLElement {
  static readonly observedAttributes = ['server', 'session', 'access', 'view-only', 'muted', 'scaling'];

  readonly #media = new Media({ firstFrame: () => this.#firstFrame(), changed: () => this.#render() });
  readonly #notice = new Notice();
  readonly #statusScreen = new StatusScreen(() => this.#tryAgain());
  readonly #toolbar = new Toolbar({
    toggleControl: () => this.#toggleControl(),
    toggleSound: () => this.#setMuted(!this.#media.isMuted),
    toggleScaling: () => this.setAttribute('scaling', this.scaling === 'fit' ? 'none' : 'fit'),
    toggleFullscreen: () => void this.toggleFullscreen(),
  });
  readonly #shell = new Shell(
    this.#media.video,
    [this.#statusScreen.element, this.#notice.element],
    this.#toolbar.element,
  );
  #client: DesktopClient | undefined;
  #state: ViewerState = { name: 'closed', reason: explain('DISCONNECTED') };
  #control = NOBODY;
  #rttMs: number | undefined;
  #access = '';
  #isUpdateDue = false;
  /** The offer of sound stands until it was taken, or the desktop was pressed without taking it. */
  #isSoundOffered = true;
  /** Input, layout and listeners while the element is in a document. */
  #mounted: { readonly keyboard: Keyboard; readonly pointer: Pointer; readonly listening: AbortController } | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [makeStyleSheet()];
    root.append(this.#shell.element);
    this.#shell.unlock.addEventListener('click', () => this.#setMuted(this.hasAttribute('muted')));
  }

  get server(): string {
    return new URL(this.getAttribute('server') ?? '/', this.ownerDocument.baseURI).href;
  }
  set server(address: string) {
    this.setAttribute('server', address);
  }
  get session(): string {
    return this.getAttribute('session') ?? '';
  }
  set session(sessionId: string) {
    this.setAttribute('session', sessionId);
  }
  /** The access token. Set here it is not written into the document. */
  get access(): string {
    return this.#access;
  }
  set access(token: string) {
    if (this.#access === token) return;
    this.#access = token;
    this.#updateSoon();
  }
  get scaling(): Scaling {
    return this.getAttribute('scaling') === 'none' ? 'none' : 'fit';
  }
  get state(): ViewerState {
    return this.#state;
  }
  get control(): ControlStatus {
    return this.#control;
  }

  connectedCallback(): void {
    // Still mounted: it was only moved.
    if (this.#mounted !== undefined) return;
    this.#mount();
    this.#updateSoon();
  }

  disconnectedCallback(): void {
    // An element that is moved leaves and comes back at once; only one that stays away leaves its session.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.disconnect();
      this.#unmount();
    });
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === 'access') this.access = now ?? '';
    else if (name === 'server' || name === 'session') this.#updateSoon();
    else if (name === 'view-only') this.#client?.controls.setViewOnly(now !== null);
    else if (name === 'muted' && now !== null) this.#setMuted(true);
    this.#render();
  }

  /** Connects now, in place of a connection that there is. Progress and failure are told by `statechange`. */
  connect(): void {
    this.#client?.close();
    const { server, session, access } = this;
    if (session === '' || access === '') {
      this.#setState({ name: 'closed', reason: explain(session === '' ? 'SESSION_NOT_FOUND' : 'UNAUTHENTICATED') });
      return;
    }
    const client = new DesktopClient({ server, session, access }, this.#listen());
    this.#client = client;
    client.controls.setViewOnly(this.hasAttribute('view-only'));
    client.open();
  }

  /** Leaves the session; the element stays and can connect again. */
  disconnect(): void {
    this.#releaseInput();
    this.#client?.close();
  }

  /** Asks for control: had at once where it is free, else its holder is asked. `controlchange` tells. */
  requestControl(): void {
    this.#client?.controls.request();
  }

  releaseControl(): void {
    this.#releaseInput();
    this.#client?.controls.release();
  }

  /** Rejects where the browser refuses, as without a press just before. */
  async toggleFullscreen(): Promise<void> {
    await toggleFullscreen(this);
  }

  /** Listens to one of the element's own events, typed by its detail; the result ends it. */
  on<K extends keyof ViewerEvents>(type: K, listener: (detail: ViewerEvents[K]['detail']) => void): () => void {
    const handle = (event: Event): void => {
      if (event instanceof CustomEvent) listener(event.detail);
    };
    this.addEventListener(type, handle);
    return () => this.removeEventListener(type, handle);
  }

  #mount(): void {
    // Nobody should drive what they cannot see.
    const takesInput = (): boolean => this.#state.name === 'live' && this.#client?.controls.takesInput === true;
    const send: DesktopClient['controls']['send'] = (event) => this.#client?.controls.send(event);
    const pressed = (): boolean => this.#pressed();
    const keyboard = new Keyboard(this.#shell.keys, {
      takesInput,
      pressed,
      send,
      escaped: () => this.#toolbar.focus(),
    });
    const pointer = new Pointer(this.#shell.surface, {
      locate: (x, y) => this.#shell.locate(x, y),
      takesInput,
      isControlHeld: () => keyboard.isControlHeld,
      send,
      pressed,
    });
    const listening = new AbortController();
    this.addEventListener('fullscreenchange', () => this.#render(), listening);
    this.#mounted = { keyboard, pointer, listening };
    this.#shell.start();
    this.#render();
  }

  #unmount(): void {
    this.#mounted?.keyboard.stop();
    this.#mounted?.pointer.stop();
    this.#mounted?.listening.abort();
    this.#mounted = undefined;
    this.#shell.stop();
    this.#statusScreen.stop();
    this.#notice.hide();
  }

  /** Attributes and properties are often set one after the other; they count together. */
  #updateSoon(): void {
    if (this.#isUpdateDue) return;
    this.#isUpdateDue = true;
    queueMicrotask(() => {
      this.#isUpdateDue = false;
      if (this.isConnected && this.session !== '' && this.#access !== '') this.connect();
    });
  }

  #listen(): DesktopListener {
    return {
      stateChanged: (state) => this.#setState(state),
      controlChanged: (status) => this.#controlChanged(status),
      streamStarted: () => {
        this.#media.start();
        this.#shell.cursor.clear();
      },
      gotTrack: (track) => this.#gotTrack(track),
      screenChanged: (screen) => this.#shell.setScreen(screen),
      received: (event) => this.#shell.cursor.receive(event),
      noticed: (text) => this.#notice.show(text),
      failed: (reason) => {
        this.#notice.show(reason.message || reason.title);
        this.#dispatch('error', reason);
      },
      measured: (stats) => {
        this.#rttMs = stats.rttMs;
        this.#dispatch('stats', stats);
        this.#render();
      },
    };
  }

  #setState(state: ViewerState): void {
    if (state.name !== 'live') this.#releaseInput();
    this.#state = state;
    if (state.name === 'closed') {
      this.#media.clear();
      this.#shell.cursor.clear();
      this.#notice.hide();
    }
    this.#render();
    this.#dispatch('statechange', state);
    if (state.name === 'closed' && state.reason.code !== 'DISCONNECTED') this.#dispatch('error', state.reason);
  }

  #controlChanged(status: ControlStatus): void {
    // Control that is gone takes nothing any more; what is held is forgotten here, and let go of over there by the streamer.
    if (this.#control.control.holder === 'me' && status.control.holder !== 'me') this.#releaseInput();
    this.#control = status;
    this.#shell.cursor.setMine(status.control.holder === 'me');
    this.#render();
    this.#dispatch('controlchange', status);
  }

  #gotTrack(track: MediaStreamTrack): void {
    this.#media.addTrack(track);
    const mayPlaySound = navigator.userActivation?.hasBeenActive && !this.hasAttribute('muted');
    if (mayPlaySound && track.kind === 'video') this.#media.setMuted(false);
  }

  #firstFrame(): boolean {
    if (this.#client?.frameSeen() !== true) return false;
    performance.mark('neko-viewer:first-frame');
    this.#dispatch('firstframe', undefined);
    return true;
  }

  #pressed(): boolean {
    this.#shell.keys.focus({ preventScroll: true });
    this.#isSoundOffered = false;
    this.#render();
    const controls = this.#client?.controls;
    if (controls === undefined || this.#state.name !== 'live') return false;
    if (this.getAttribute('auto-control') !== 'off' || controls.takesInput) return controls.claim();
    this.#notice.show('Take control in the bar below to drive the desktop.');
    return false;
  }

  #toggleControl(): void {
    if (this.#control.control.holder === 'me') {
      this.releaseControl();
      return;
    }
    this.requestControl();
    this.#shell.keys.focus({ preventScroll: true });
  }

  #tryAgain(): void {
    if (this.#state.name === 'reconnecting') this.#client?.retry();
    else this.connect();
  }

  #setMuted(isMuted: boolean): void {
    this.#isSoundOffered = false;
    this.#media.setMuted(isMuted);
  }

  #releaseInput(): void {
    this.#mounted?.keyboard.releaseAll();
    this.#mounted?.pointer.releaseAll();
  }

  #render(): void {
    const state = this.#state;
    const control = this.#control;
    this.#shell.element.dataset['holder'] = control.control.holder;
    this.#shell.setScaling(this.scaling);
    this.#statusScreen.render({ state, isPictureAlive: this.#client?.isPictureAlive ?? false });
    this.#toolbar.render({
      state,
      control,
      rttMs: this.#rttMs,
      hasSound: this.#media.hasSound,
      isMuted: this.#media.isMuted,
      scaling: this.scaling,
      isFullscreen: this.matches(':fullscreen'),
    });
    const isSoundWanted =
      this.#isSoundOffered && this.#media.hasSound && this.#media.isMuted && !this.hasAttribute('muted');
    const { unlock } = this.#shell;
    unlock.hidden = !(this.#media.isBlocked || (state.name === 'live' && isSoundWanted));
    const words = unlock.querySelector('.label');
    if (words !== null) setText(words, this.#media.isBlocked ? 'Start the picture' : 'Turn on sound');
  }

  #dispatch<K extends keyof ViewerEvents>(type: K, detail: ViewerEvents[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
