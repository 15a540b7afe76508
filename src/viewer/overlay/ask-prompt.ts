import type { ControlStatus } from '../controls.ts';
import { element, setText } from '../dom.ts';

/** Asks the holder of control what to do with somebody else's wish for it. */
export class AskPrompt {
  readonly element: HTMLElement;
  readonly #who = element('p', { class: 'who' });

  constructor(give: () => void, keep: () => void) {
    const giving = element('button', { type: 'button', class: 'button give' }, 'Give');
    const keeping = element('button', { type: 'button', class: 'button keep' }, 'Keep');
    giving.addEventListener('click', give);
    keeping.addEventListener('click', keep);
    this.element = element(
      'div',
      { class: 'panel ask', role: 'alertdialog', 'aria-label': 'Request for control', part: 'ask' },
      this.#who,
      element('div', { class: 'actions' }, giving, keeping),
    );
    this.element.hidden = true;
  }

  render({ control, askedBy }: ControlStatus): void {
    this.element.hidden = control.holder !== 'me' || askedBy === undefined;
    if (askedBy !== undefined) setText(this.#who, `${askedBy} asks for control.`);
  }
}
