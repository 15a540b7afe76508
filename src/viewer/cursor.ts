import type { OutputEvent } from '../input/data-channel.ts';
import { element } from './dom.ts';
import { picturePoint, type Point, type Size } from './geometry.ts';

type CursorImage = Extract<OutputEvent, { type: 'cursor-image' }>;

/** Browsers ignore a CSS cursor that is larger. */
const CSS_CURSOR_MAX_PIXELS = 128;

/**
 * The desktop's cursor, which is not in the video. With control here it is the browser's own cursor, so that it never lags; without,
 * it is drawn where the desktop says that it is.
 */
export class Cursor {
  /** The drawn cursor; stands in the picture's own box. */
  readonly element = element('img', { class: 'cursor', alt: '', draggable: 'false' });
  readonly #surface: HTMLElement;
  #image: (CursorImage & { readonly url: string }) | undefined;
  #position: Point | undefined;
  #isMine = false;
  #picture: Size = { width: 0, height: 0 };
  #screen: Size = { width: 0, height: 0 };

  constructor(surface: HTMLElement) {
    this.#surface = surface;
    this.element.hidden = true;
  }

  receive(event: OutputEvent): void {
    if (event.type === 'cursor-image') this.#setImage({ ...event, url: pngUrl(event.png) });
    if (event.type === 'cursor-position') this.#position = { x: event.x, y: event.y };
    if (event.type !== 'pong') this.#draw();
  }

  setMine(isMine: boolean): void {
    if (this.#isMine === isMine) return;
    this.#isMine = isMine;
    this.#draw();
    this.#apply();
  }

  resize(picture: Size, screen: Size): void {
    this.#picture = picture;
    this.#screen = screen;
    this.#draw();
  }

  /** The stream ended: nothing is known of the cursor. */
  clear(): void {
    this.#image = undefined;
    this.#position = undefined;
    this.#draw();
    this.#apply();
  }

  #setImage(image: CursorImage & { readonly url: string }): void {
    this.#image = image;
    this.element.src = image.url;
    this.#apply();
  }

  #apply(): void {
    const image = this.#isMine ? this.#image : undefined;
    const isTooLarge = image !== undefined && Math.max(image.width, image.height) > CSS_CURSOR_MAX_PIXELS;
    const cursor = image === undefined || isTooLarge ? '' : `url("${image.url}") ${image.hotX} ${image.hotY}, default`;
    this.#surface.style.cursor = cursor;
  }

  #draw(): void {
    const image = this.#image;
    this.element.hidden = this.#isMine || image === undefined || this.#position === undefined;
    if (this.element.hidden || image === undefined || this.#position === undefined) return;
    const scale = this.#screen.width > 0 ? this.#picture.width / this.#screen.width : 1;
    const at = picturePoint(this.#position, this.#picture, this.#screen);
    const { style } = this.element;
    style.width = `${image.width * scale}px`;
    style.transform = `translate(${at.x - image.hotX * scale}px, ${at.y - image.hotY * scale}px)`;
  }
}

/** A data address, because a cursor from a blob address flickers while browsers load it again. */
function pngUrl(png: Uint8Array): string {
  let binary = '';
  for (const byte of png) binary += String.fromCodePoint(byte);
  return `data:image/png;base64,${btoa(binary)}`;
}
