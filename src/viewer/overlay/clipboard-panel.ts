import { element, setText } from '../dom.ts';
import type { ReadPermission } from '../local-clipboard.ts';

export interface ClipboardActions {
  /** Takes the text to this device's clipboard. */
  readonly copy: (text: string) => void;
  /** Puts the text on the desktop's clipboard. */
  readonly send: (text: string) => void;
  /** Whether this device's clipboard is sent whenever the person comes back to the desktop. */
  readonly follow: (isFollowing: boolean) => void;
  readonly closed: () => void;
}

export interface ClipboardView {
  readonly permission: ReadPermission;
  readonly isFollowing: boolean;
  /** Why nothing can be sent now; undefined where it can. */
  readonly obstacle: string | undefined;
}

const PERMISSIONS: Record<ReadPermission, string> = {
  granted: 'This browser lets the page read your clipboard.',
  prompt: 'This browser asks you before the page reads your clipboard.',
  denied: 'This browser does not let the page read your clipboard. Pasting with the keyboard works.',
  unknown: 'This browser asks you each time the page reads your clipboard.',
};

/** The desktop's clipboard in a field of its own, for browsers that keep theirs, and for people who want to see what goes where. */
export class ClipboardPanel {
  readonly element: HTMLElement;
  readonly #actions: ClipboardActions;
  readonly #text = element('textarea', {
    'aria-label': 'Text on the clipboard of the desktop',
    rows: '4',
    spellcheck: 'false',
  });
  readonly #copy = element('button', { type: 'button', class: 'button solid' }, 'Copy to this device');
  readonly #send = element('button', { type: 'button', class: 'button solid' }, 'Send to the desktop');
  readonly #follow = element('input', { type: 'checkbox' });
  readonly #state = element('p', { class: 'message', role: 'status' });

  constructor(actions: ClipboardActions) {
    this.#actions = actions;
    this.#copy.addEventListener('click', () => actions.copy(this.#text.value));
    this.#send.addEventListener('click', () => actions.send(this.#text.value));
    this.#follow.addEventListener('change', () => actions.follow(this.#follow.checked));
    const close = element('button', { type: 'button', class: 'button close', 'aria-label': 'Close' }, '✕');
    close.addEventListener('click', () => this.close());
    this.element = element(
      'div',
      { class: 'panel clipboard', role: 'dialog', 'aria-label': 'Clipboard', part: 'clipboard' },
      element('div', { class: 'heading' }, element('p', { class: 'title' }, 'Clipboard of the desktop'), close),
      this.#text,
      element('div', { class: 'actions' }, this.#copy, this.#send),
      element('label', {}, this.#follow, 'Send my clipboard whenever I come back'),
      this.#state,
    );
    this.element.hidden = true;
    this.element.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Escape') this.close();
    });
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  /** Shows it. The focus comes here only where a person asked for it. */
  open(text: string, isAsked: boolean): void {
    this.#text.value = text;
    this.element.hidden = false;
    if (isAsked) this.#text.focus();
  }

  close(): void {
    if (!this.isOpen) return;
    this.element.hidden = true;
    this.#actions.closed();
  }

  /** The desktop has another text; what a person is writing here is left alone. */
  setText(text: string): void {
    if (!this.#text.matches(':focus')) this.#text.value = text;
  }

  render({ permission, isFollowing, obstacle }: ClipboardView): void {
    this.#send.disabled = obstacle !== undefined;
    this.#follow.checked = isFollowing;
    this.#follow.disabled = permission === 'denied';
    setText(this.#state, obstacle ?? PERMISSIONS[permission]);
  }
}
