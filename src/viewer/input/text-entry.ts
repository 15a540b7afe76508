export interface TextEntryDeps {
  /** Text that was put in at once: composed, by an input method or a virtual keyboard. */
  typed(text: string): void;
  /** Keys that a virtual keyboard tells only by what they would do to a text. */
  edited(key: 'Backspace' | 'Delete' | 'Enter'): void;
  /** Something is pasted; a person asked for it, so this may be read without more permission. */
  pasted(text: string): void;
}

/** A text put in at once is cut here. */
const TEXT_MAX_LENGTH = 4096;
/** Virtual keyboards say nothing of Backspace in an empty field, so there something always stands in it. */
const PADDING = '\u200B';
const EDITS: Readonly<Record<string, 'Backspace' | 'Delete' | 'Enter'>> = {
  deleteContentBackward: 'Backspace',
  deleteWordBackward: 'Backspace',
  deleteContentForward: 'Delete',
  insertLineBreak: 'Enter',
  insertParagraph: 'Enter',
};

/** What comes into the text area other than by keys that are known: it is told and taken out again. */
export class TextEntry {
  readonly #target: HTMLTextAreaElement;
  readonly #deps: TextEntryDeps;
  readonly #padding: string;
  #isComposing = false;

  constructor(target: HTMLTextAreaElement, deps: TextEntryDeps, signal: AbortSignal) {
    this.#target = target;
    this.#deps = deps;
    this.#padding = matchMedia('(any-pointer: coarse)').matches ? PADDING : '';
    target.addEventListener('beforeinput', (event) => this.#edit(event), { signal });
    target.addEventListener('input', () => this.#take(), { signal });
    target.addEventListener('compositionstart', () => this.#compose(true), { signal });
    target.addEventListener('compositionend', () => this.#compose(false), { signal });
    target.addEventListener('paste', (event) => this.#paste(event), { signal });
    target.addEventListener('drop', (event) => event.preventDefault(), { signal });
    this.#empty();
  }

  /** Whether an input method is at work, and keys are its own. */
  get isComposing(): boolean {
    return this.#isComposing;
  }

  #compose(isComposing: boolean): void {
    this.#isComposing = isComposing;
    // What is being composed is shown until it is done.
    this.#target.classList.toggle('composing', isComposing);
    if (isComposing) this.#target.value = '';
    else this.#take();
  }

  #take(): void {
    if (this.#isComposing) return;
    const text = this.#target.value.replaceAll(PADDING, '').slice(0, TEXT_MAX_LENGTH);
    this.#empty();
    // One character where there is one: most keyboards and fonts have no parts of letters.
    if (text !== '') this.#deps.typed(text.normalize('NFC'));
  }

  #edit(event: InputEvent): void {
    if (event.isComposing || this.#isComposing) return;
    const key = Object.hasOwn(EDITS, event.inputType) ? EDITS[event.inputType] : undefined;
    if (key !== undefined) this.#deps.edited(key);
    if (key !== undefined || event.inputType === 'insertFromPaste') event.preventDefault();
  }

  #paste(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
    this.#deps.pasted(event.clipboardData?.getData('text/plain') ?? '');
  }

  #empty(): void {
    this.#target.value = this.#padding;
  }
}
