import { Cursor } from './cursor.ts';
import { element } from './dom.ts';
import { placeScreen, type Point, type Scaling, screenPoint, type Size } from './geometry.ts';
import { icon } from './overlay/icons.ts';

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
  readonly unlock = element('button', { type: 'button', class: 'button unlock' });
  readonly cursor: Cursor;
  readonly #stage: HTMLElement;
  readonly #viewport: HTMLElement;
  readonly #observer = new ResizeObserver(() => this.#layOut());
  #screen: Size = { width: 0, height: 0 };
  #scaling: Scaling = 'fit';

  constructor(video: HTMLVideoElement, over: readonly HTMLElement[], bar: HTMLElement) {
    this.surface = element('div', { class: 'surface' });
    this.cursor = new Cursor(this.surface);
    this.#stage = element('div', { class: 'stage' }, video, this.cursor.element);
    this.surface.append(this.#stage);
    this.#viewport = element('div', { class: 'viewport' }, this.surface, this.keys);
    this.unlock.append(icon('soundOff'), element('span', { class: 'label' }));
    this.unlock.hidden = true;
    const room = element('div', { class: 'room' }, this.#viewport, this.unlock, ...over);
    this.element = element('div', { class: 'viewer', part: 'viewer' }, room, bar);
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
    const room = { width: this.#viewport.clientWidth, height: this.#viewport.clientHeight };
    const box = placeScreen(room, this.#screen, this.#scaling);
    const { style } = this.#stage;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
    style.transform = `translate(${box.x}px, ${box.y}px)`;
    this.surface.style.width = this.#scaling === 'none' ? `${box.width}px` : '';
    this.surface.style.height = this.#scaling === 'none' ? `${box.height}px` : '100%';
    this.cursor.resize(box, this.#screen);
  }
}
