import { element, setText } from '../dom.ts';

/** Long enough to read a sentence twice. */
const SHOWN_MS = 5000;

/** One short message over the picture that goes away by itself; a new one takes its place. */
export class Notice {
  readonly element = element('div', { class: 'notice', role: 'status', part: 'notice' });
  #timer: ReturnType<typeof setTimeout> | undefined;

  show(text: string): void {
    clearTimeout(this.#timer);
    setText(this.element, text);
    this.element.classList.add('shown');
    this.#timer = setTimeout(() => this.hide(), SHOWN_MS);
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.element.classList.remove('shown');
  }
}
