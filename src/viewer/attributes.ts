import type { ClipboardMode } from './clipboard-desk.ts';
import type { Scaling } from './geometry.ts';

/** The attributes that say how a desktop is shown and driven; docs/viewer.md has their values. */
export const ATTRIBUTES = [
  'view-only',
  'muted',
  'scaling',
  'resize',
  'clipboard',
  'touch',
  'auto-control',
  'ice',
  'stats',
];

/** What the attributes of one element say now, read where it matters; the settings menu changes some of them. */
export class Attributes {
  readonly #element: Element;

  constructor(element: Element) {
    this.#element = element;
  }

  get isViewOnly(): boolean {
    return this.#element.hasAttribute('view-only');
  }

  get isMuted(): boolean {
    return this.#element.hasAttribute('muted');
  }

  get isStatsShown(): boolean {
    return this.#element.hasAttribute('stats');
  }

  get scaling(): Scaling {
    return this.#element.getAttribute('scaling') === 'none' ? 'none' : 'fit';
  }

  /** Whether the desktop is to take the element's size. */
  get isResizing(): boolean {
    return this.#element.getAttribute('resize') === 'remote';
  }

  get clipboard(): ClipboardMode {
    const mode = this.#element.getAttribute('clipboard');
    return mode === 'off' || mode === 'ask' ? mode : 'auto';
  }

  /** Whether fingers go as they are, for a streamer that takes touches or not. */
  isTouchNative(takesTouches: boolean): boolean {
    const wish = this.#element.getAttribute('touch');
    return wish === 'native' || (wish !== 'gestures' && takesTouches);
  }

  /** Whether a press on a free desktop takes control. */
  get doesPressClaim(): boolean {
    return this.#element.getAttribute('auto-control') !== 'off';
  }

  /** The ways that WebRTC's media may take, with commas; empty for all that there are. */
  get ice(): string {
    return this.#ways.filter((way) => way !== 'vnc').join(',');
  }

  /** Whether VNC may stand in where WebRTC has no picture: where nothing is said of ways, or it is among them. */
  get mayFallBack(): boolean {
    return this.#ways.length === 0 || this.#ways.includes('vnc');
  }

  get #ways(): string[] {
    return (this.#element.getAttribute('ice') ?? '').split(',').filter((way) => way !== '');
  }

  toggleScaling(): void {
    this.#element.setAttribute('scaling', this.scaling === 'fit' ? 'none' : 'fit');
  }

  toggleResizing(): void {
    if (this.isResizing) this.#element.removeAttribute('resize');
    else this.#element.setAttribute('resize', 'remote');
  }

  toggleStats(): void {
    this.#element.toggleAttribute('stats');
  }
}
