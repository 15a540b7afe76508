import { element } from '../dom.ts';

/** One line of the menu: something to do, something that is on or off, or one of several that exclude each other. */
export interface MenuItem {
  readonly kind: 'switch' | 'choice';
  readonly label: string;
  readonly isOn: boolean;
  readonly act: () => void;
}

export interface MenuSection {
  readonly title: string;
  readonly items: readonly MenuItem[];
}

/** What is needed now and then, behind one button of the toolbar. */
export class Menu {
  readonly element = element('div', { class: 'panel menu', role: 'menu', 'aria-label': 'Settings', part: 'menu' });
  readonly #closed: () => void;
  #drawn = '';

  constructor(closed: () => void) {
    this.#closed = closed;
    this.element.hidden = true;
    this.element.addEventListener('keydown', (event) => this.#key(event));
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  toggle(): void {
    this.element.hidden = !this.element.hidden;
    if (this.isOpen) this.#items()[0]?.focus();
  }

  close(): void {
    if (!this.isOpen) return;
    this.element.hidden = true;
    this.#closed();
  }

  /** Draws again only what is another, or the focus would be lost under a finger. */
  render(sections: readonly MenuSection[]): void {
    const shape = JSON.stringify(sections);
    if (shape === this.#drawn) return;
    this.#drawn = shape;
    const focused = this.#items().findIndex((item) => item.matches(':focus'));
    this.element.replaceChildren(...sections.filter(({ items }) => items.length > 0).map((section) => draw(section)));
    if (focused >= 0) this.#items()[focused]?.focus();
  }

  #key(event: KeyboardEvent): void {
    const items = this.#items();
    const at = items.findIndex((item) => item.matches(':focus'));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) items.at((at + step) % items.length)?.focus();
    else if (event.key === 'Escape') this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #items(): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>('button')];
  }
}

function draw({ title, items }: MenuSection): HTMLElement {
  const buttons = items.map((item) => {
    const role = item.kind === 'choice' ? 'menuitemradio' : 'menuitemcheckbox';
    const made = element(
      'button',
      { type: 'button', class: 'item', role, 'aria-checked': String(item.isOn) },
      element('span', { class: 'mark', 'aria-hidden': 'true' }, item.isOn ? '✓' : ''),
      item.label,
    );
    made.addEventListener('click', item.act);
    return made;
  });
  return element('div', { class: 'section', role: 'group', 'aria-label': title }, element('p', {}, title), ...buttons);
}
