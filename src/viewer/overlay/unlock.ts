import { element, setText } from '../dom.ts';
import { icon } from './icons.ts';

export interface UnlockView {
  /** The browser plays nothing at all before a press. */
  readonly isBlocked: boolean;
  /** There is sound to be heard, and it is muted. */
  readonly isSilent: boolean;
}

/** The button for what browsers play only after a press: the picture, where they are strict, and its sound. */
export class Unlock {
  readonly element = element('button', { type: 'button', class: 'button unlock' });
  readonly #label = element('span', { class: 'label' });
  #isSoundOffered = true;

  constructor(act: () => void) {
    this.element.append(icon('soundOff'), this.#label);
    this.element.hidden = true;
    this.element.addEventListener('click', act);
  }

  /** The offer of sound was taken, or the desktop was pressed without taking it: it is not made again. */
  withdrawSound(): void {
    this.#isSoundOffered = false;
  }

  render({ isBlocked, isSilent }: UnlockView): void {
    this.element.hidden = !(isBlocked || (this.#isSoundOffered && isSilent));
    setText(this.#label, isBlocked ? 'Start the picture' : 'Turn on sound');
  }
}
