import { ATTRIBUTES, Attributes } from './attributes.ts';
import type { ClipboardMode } from './clipboard-desk.ts';
import type { ControlStatus } from './controls.ts';
import type { ViewerEvents } from './events.ts';
import { toggleFullscreen } from './fullscreen.ts';
import type { Scaling } from './geometry.ts';
import type { Screen } from './messages.ts';
import type { Quality } from './stream.ts';
import { makeStyleSheet } from './styles.ts';
import { Viewer } from './viewer.ts';
import type { ViewerState } from './viewer-state.ts';

/**
 * `<neko-viewer>` shows one desktop and lets it be driven. docs/viewer.md has its attributes, methods and events.
 * It connects when it is in a document and has a session and an access, again when one of these changes, and leaves the
 * session when it is taken out of the document. Events: `ViewerEvents`.
 */
export class NekoViewer extends HTMLElement {
  static readonly observedAttributes = ['server', 'session', 'access', ...ATTRIBUTES];

  readonly #attributes = new Attributes(this);
  readonly #viewer = new Viewer(this, this.#attributes, (type, detail) => {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  });
  readonly #desktop = this.#viewer.desktop;
  #access = '';
  #isUpdateDue = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [makeStyleSheet()];
    root.append(this.#viewer.element);
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
    return this.#attributes.scaling;
  }
  get clipboard(): ClipboardMode {
    return this.#attributes.clipboard;
  }
  get state(): ViewerState {
    return this.#desktop.state;
  }
  get control(): ControlStatus {
    return this.#desktop.control;
  }
  /** The desktop's size in pixels and its rate; zeros before it is known. */
  get screen(): Screen {
    return this.#desktop.screen;
  }
  /** The pictures that there are to choose from with `setQuality`, the best first. */
  get qualities(): readonly string[] {
    return this.#desktop.client?.videos ?? [];
  }
  /** The picture that is sent; undefined before the streamer says so. */
  get quality(): string | undefined {
    return this.#desktop.client?.stream.video?.id;
  }

  connectedCallback(): void {
    // Not stopped since: it was only moved.
    if (this.#viewer.isStarted) return;
    this.#viewer.start();
    this.#updateSoon();
  }

  disconnectedCallback(): void {
    // An element that is moved leaves and comes back at once; only one that stays away leaves its session.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.disconnect();
      this.#viewer.stop();
    });
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === 'access') this.access = now ?? '';
    else if (name === 'server' || name === 'session') this.#updateSoon();
    this.#viewer.attributeChanged(name);
  }

  /** Connects now, in place of a connection that there is. Progress and failure are told by `statechange`. */
  connect(): void {
    this.#desktop.connect();
  }

  /** Leaves the session; the element stays and can connect again. */
  disconnect(): void {
    this.#viewer.disconnect();
  }

  /** Asks for control: had at once where it is free, else its holder is asked. `controlchange` tells. */
  requestControl(): void {
    this.#desktop.client?.controls.request();
  }

  /** Lets control go; whoever asked for it gets it. */
  releaseControl(): void {
    this.#viewer.releaseControl();
  }

  /** Types a text on the desktop, whatever keyboard it has; nothing without control. */
  type(text: string): void {
    this.#viewer.type(text);
  }

  /** Shows another of `qualities`, or with `auto` what the streamer thinks best for the link. */
  setQuality(quality: Quality): void {
    this.#desktop.client?.stream.choose(quality);
  }

  /** Rejects where the browser refuses, as without a press just before. */
  async toggleFullscreen(): Promise<void> {
    await toggleFullscreen(this);
  }

  /** The picture in a window of its own over all others, or back. Rejects where the browser refuses. */
  async togglePictureInPicture(): Promise<void> {
    await this.#desktop.media.togglePictureInPicture();
  }

  /** Shares the microphone with the desktop, or stops to. Rejects where the person or the browser refuses. */
  async toggleMicrophone(): Promise<void> {
    await this.#desktop.toggleMicrophone();
  }

  /** Listens to one of the element's own events, typed by its detail; the result ends it. */
  on<K extends keyof ViewerEvents>(type: K, listener: (detail: ViewerEvents[K]['detail']) => void): () => void {
    const handle = (event: Event): void => {
      if (event instanceof CustomEvent) listener(event.detail);
    };
    this.addEventListener(type, handle);
    return () => this.removeEventListener(type, handle);
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
}
