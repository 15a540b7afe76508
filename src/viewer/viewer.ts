import type { Attributes } from './attributes.ts';
import { ClipboardDesk } from './clipboard-desk.ts';
import type { ConnectionOptions } from './connection.ts';
import type { ControlStatus } from './controls.ts';
import type { Dispatch } from './events.ts';
import { toggleFullscreen } from './fullscreen.ts';
import { Inputs, type PressKind } from './input/inputs.ts';
import { Overlays } from './overlay/overlays.ts';
import { Unlock } from './overlay/unlock.ts';
import type { Reason } from './reasons.ts';
import { RemoteResize } from './remote-resize.ts';
import { settingsMenu } from './settings-menu.ts';
import { Shell } from './shell.ts';
import { ShownDesktop, type ShownDesktopListener } from './shown-desktop.ts';
import type { ViewerState } from './viewer-state.ts';

/**
 * What is inside one element: a desktop, and all that a person sees of it and drives it with. It tells the parts what concerns
 * them, in order, and draws them from what the desktop and the attributes say; `dispatch` tells the page.
 */
export class Viewer {
  readonly desktop: ShownDesktop;
  readonly #host: HTMLElement;
  readonly #attributes: Attributes;
  readonly #dispatch: Dispatch;
  readonly #shell: Shell;
  readonly #unlock = new Unlock(() => this.#setMuted(this.#attributes.isMuted));
  readonly #overlays = new Overlays({
    toggleControl: () => this.#toggleControl(),
    toggleKeyboard: () => this.#shell.keys.focus({ preventScroll: true }),
    toggleClipboard: () => this.#clipboard.toggle(),
    toggleSound: () => this.#setMuted(!this.desktop.media.isMuted),
    toggleFullscreen: () => this.#attempt(toggleFullscreen(this.#host)),
    tryAgain: () => this.desktop.tryAgain(),
    giveControl: () => this.releaseControl(),
    keepControl: () => this.desktop.client?.controls.keep(),
  });
  readonly #clipboard = new ClipboardDesk({
    client: () => this.desktop.client,
    mode: () => this.#attributes.clipboard,
    noticed: (text) => this.#overlays.notice.show(text),
    changed: () => this.#render(),
  });
  readonly #resize = new RemoteResize({
    isWanted: () =>
      this.#attributes.isResizing && this.desktop.client?.mayResize === true && this.desktop.state.name === 'live',
    room: () => this.#shell.room,
    screen: () => this.desktop.screen,
    ask: (screen) => this.desktop.client?.resize(screen),
  });
  /** Input and listeners from start to stop. */
  #started: { readonly inputs: Inputs; readonly listening: AbortController } | undefined;

  constructor(host: HTMLElement & ConnectionOptions, attributes: Attributes, dispatch: Dispatch) {
    this.#host = host;
    this.#attributes = attributes;
    this.#dispatch = dispatch;
    this.desktop = new ShownDesktop(host, attributes, this.#listen());
    this.#shell = new Shell(
      [this.desktop.media.video, this.desktop.vnc.element],
      [this.#unlock.element, ...this.#overlays.elements, this.#clipboard.panel.element],
      this.#overlays.toolbar.element,
      () => this.#resize.update(),
    );
  }

  get element(): HTMLElement {
    return this.#shell.element;
  }

  get isStarted(): boolean {
    return this.#started !== undefined;
  }

  /** Lays itself out and takes input, until `stop`; the element is in a document. */
  start(): void {
    const { desktop } = this;
    const inputs = new Inputs(this.#shell.surface, this.#shell.keys, {
      locate: (x, y) => this.#shell.locate(x, y),
      // Nobody should drive what they cannot see.
      takesInput: () => desktop.state.name === 'live' && desktop.client?.controls.takesInput === true,
      pressed: (kind) => this.#pressed(kind),
      send: (event) => desktop.client?.send(event),
      isTouchNative: () => this.#attributes.isTouchNative(desktop.client?.touchEvents === true),
      mayPaste: () => this.#clipboard.maySend,
      pasted: (text) => desktop.client?.paste(text),
      setLocks: (locks) => desktop.client?.setLocks(locks),
      escaped: () => this.#overlays.toolbar.focus(),
    });
    const listening = new AbortController();
    this.#host.addEventListener('fullscreenchange', () => this.#render(), listening);
    this.#shell.keys.addEventListener('focus', () => void this.#clipboard.returned(), listening);
    this.#shell.surface.addEventListener('pointerdown', (press) => this.#pointed(press), listening);
    this.#started = { inputs, listening };
    this.#shell.start();
    this.#render();
  }

  stop(): void {
    this.#started?.inputs.stop();
    this.#started?.listening.abort();
    this.#started = undefined;
    this.#resize.stop();
    this.#shell.stop();
    this.#overlays.stop();
  }

  /** An attribute of the element has another value. */
  attributeChanged(name: string): void {
    const { isViewOnly, isMuted } = this.#attributes;
    if (name === 'view-only') this.desktop.client?.controls.setViewOnly(isViewOnly);
    else if (name === 'muted' && isMuted) this.#setMuted(true);
    else if (name === 'resize') this.#resize.update();
    this.#render();
  }

  /** Leaves the session, without what is held down staying so on the desktop. */
  disconnect(): void {
    this.#releaseInput();
    this.desktop.client?.close();
  }

  /** Lets control go, and before it what is held down. */
  releaseControl(): void {
    this.#releaseInput();
    this.desktop.client?.controls.release();
  }

  /** Types a text on the desktop, whatever keyboard it has; nothing without control. */
  type(text: string): void {
    this.#started?.inputs.type(text);
  }

  #listen(): ShownDesktopListener {
    return {
      stateChanging: (next) => {
        if (next.name !== 'live') this.#releaseInput();
      },
      stateChanged: (state) => this.#stateChanged(state),
      controlChanging: (next) => {
        // Control that is gone takes nothing any more; what is held is forgotten here, and let go of over there by the streamer.
        if (isMine(this.desktop.control) && !isMine(next)) this.#releaseInput();
      },
      controlChanged: (status) => {
        this.#shell.cursor.setMine(isMine(status));
        this.#render();
        this.#dispatch('controlchange', status);
      },
      streamStarted: () => this.#shell.cursor.clear(),
      firstFrame: () => this.#dispatch('firstframe', undefined),
      screenChanged: (screen) => {
        this.#shell.setScreen(screen);
        this.#dispatch('screenchange', screen);
      },
      received: (event) => this.#shell.cursor.receive(event),
      copied: (text) => {
        void this.#clipboard.copied(text);
        this.#dispatch('clipboard', text);
      },
      noticed: (text) => this.#overlays.notice.show(text),
      failed: (reason) => this.#failed(reason),
      measured: (stats) => {
        this.#dispatch('stats', stats);
        this.#render();
      },
      changed: () => this.#render(),
    };
  }

  #stateChanged(state: ViewerState): void {
    if (state.name === 'live') this.#resize.update();
    if (state.name === 'closed') {
      this.#shell.cursor.clear();
      this.#overlays.notice.hide();
    }
    this.#render();
    this.#dispatch('statechange', state);
    if (state.name === 'closed' && state.reason.code !== 'DISCONNECTED') this.#dispatch('error', state.reason);
  }

  #failed(reason: Reason): void {
    this.#overlays.notice.show(reason.message === '' ? reason.title : `${reason.title}. ${reason.message}`);
    this.#dispatch('error', reason);
  }

  #pointed(press: PointerEvent): void {
    this.#shell.placeKeys(press.clientX, press.clientY);
    this.#overlays.menu.close();
  }

  #pressed(kind: PressKind): boolean {
    if (kind !== 'touch') this.#shell.keys.focus({ preventScroll: true });
    this.#unlock.withdrawSound();
    this.#render();
    const controls = this.desktop.client?.controls;
    if (controls === undefined || this.desktop.state.name !== 'live') return false;
    if (this.#attributes.doesPressClaim || controls.takesInput) return controls.claim();
    this.#overlays.notice.show('Take control in the bar below to drive the desktop.');
    return false;
  }

  #toggleControl(): void {
    if (isMine(this.desktop.control)) {
      this.releaseControl();
      return;
    }
    this.desktop.client?.controls.request();
    if (!matchMedia('(pointer: coarse)').matches) this.#shell.keys.focus({ preventScroll: true });
  }

  #setMuted(isMuted: boolean): void {
    this.#unlock.withdrawSound();
    this.desktop.media.setMuted(isMuted);
  }

  #releaseInput(): void {
    this.#started?.inputs.releaseAll();
  }

  /** Does what browsers may refuse, and says so where they do. */
  #attempt(done: Promise<void>): void {
    done.catch(() => this.#overlays.notice.show('The browser refused.'));
  }

  #render(): void {
    const { state, control, stats, media } = this.desktop;
    const { isStatsShown, scaling, isMuted } = this.#attributes;
    this.#shell.element.dataset['holder'] = control.control.holder;
    this.#shell.setScaling(scaling);
    this.#clipboard.render();
    this.#overlays.render({
      state,
      control,
      stats,
      isStatsShown,
      menu: settingsMenu(this.desktop, this.#attributes, (done) => this.#attempt(done)),
      hasTouch: matchMedia('(any-pointer: coarse)').matches,
      hasClipboard: this.#clipboard.isOffered,
      isClipboardOpen: this.#clipboard.panel.isOpen,
      hasSound: media.hasSound,
      isMuted: media.isMuted,
      isFullscreen: this.#host.matches(':fullscreen'),
    });
    // By VNC there is none.
    const isHeard = state.name === 'live' && state.rung !== 'vnc' && media.hasSound;
    const isSilent = isHeard && media.isMuted && !isMuted;
    this.#unlock.render({ isBlocked: media.isBlocked, isSilent });
  }
}

function isMine({ control }: ControlStatus): boolean {
  return control.holder === 'me';
}
