import { Cursor } from './cursor.ts';
import { element } from './dom.ts';
import { placeScreen, type Point, type Scaling, screenPoint, type Size } from './geometry.ts';

/** The element's inner layout: a room with the picture, what stands over it, and the bar below. */
export class Shell {
  readonly element: HTMLElement;
  readonly keys = element('textarea', {
    class: 'keys',
    'aria-label': 'Desktop. With control, keys go to it; press Control, Alt and Shift together to leave.',
    autocapitalize: 'off',
    autocomplete: 'off',
    autocorrect: 'off',
    spellcheck: 'false',
    rows: '1',
  });
  /** Takes the pointer, over the picture and the bars beside it. */
  readonly surface: HTMLElement;
  readonly cursor: Cursor;
  readonly #stage: HTMLElement;
  readonly #viewport: HTMLElement;
  readonly #observer = new ResizeObserver(() => {
    this.#layOut();
    this.#resized();
  });
  readonly #resized: () => void;
  #screen: Size = { width: 0, height: 0 };
  #scaling: Scaling = 'fit';

  /** `resized` is called when the room for the picture is another. */
  constructor(pictures: readonly HTMLElement[], over: readonly HTMLElement[], bar: HTMLElement, resized: () => void) {
    this.#resized = resized;
    this.surface = element('div', { class: 'surface' });
    this.cursor = new Cursor(this.surface);
    this.#stage = element('div', { class: 'stage' }, ...pictures, this.cursor.element);
    this.surface.append(this.#stage);
    this.#viewport = element('div', { class: 'viewport' }, this.surface, this.keys);
    const room = element('div', { class: 'room' }, this.#viewport, ...over);
    this.element = element('div', { class: 'viewer', part: 'viewer' }, room, bar);
  }

  /** The room for the picture, in CSS pixels. */
  get room(): Size {
    return { width: this.#viewport.clientWidth, height: this.#viewport.clientHeight };
  }

  /** Puts the text area, and with it an input method's own window, where the person works. */
  placeKeys(clientX: number, clientY: number): void {
    const box = this.#viewport.getBoundingClientRect();
    this.keys.style.left = `${Math.max(0, Math.min(box.width - 200, clientX - box.left))}px`;
    this.keys.style.top = `${Math.max(0, Math.min(box.height - 40, clientY - box.top))}px`;
  }

  start(): void {
    this.#observer.observe(this.#viewport);
    this.#layOut();
  }

  stop(): void {
    this.#observer.disconnect();
  }

  setScreen(screen: Size): void {
    this.#screen = screen;
    this.#layOut();
  }

  setScaling(scaling: Scaling): void {
    this.#scaling = scaling;
    this.#viewport.dataset['scaling'] = scaling;
    this.#layOut();
  }

  /** The desktop pixel under a point of the window. */
  locate(clientX: number, clientY: number): Point {
    return screenPoint({ x: clientX, y: clientY }, this.#stage.getBoundingClientRect(), this.#screen);
  }

  #layOut(): void {
    const box = placeScreen(this.room, this.#screen, this.#scaling);
    const { style } = this.#stage;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
    style.transform = `translate(${box.x}px, ${box.y}px)`;
    this.surface.style.width = this.#scaling === 'none' ? `${box.width}px` : '';
    this.surface.style.height = this.#scaling === 'none' ? `${box.height}px` : '100%';
    this.cursor.resize(box, this.#screen);
  }
}
