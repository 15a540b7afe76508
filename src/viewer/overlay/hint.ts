import type { ViewerState } from '../viewer-state.ts';
import { element, setText } from '../dom.ts';

/** A quiet line over a picture that is live and not quite well. */
export class Hint {
  readonly element = element('div', { class: 'live-hint', role: 'status', part: 'hint' });

  render(state: ViewerState): void {
    const text = describe(state);
    this.element.classList.toggle('shown', text !== '');
    if (text !== '') setText(this.element, text);
  }
}

function describe(state: ViewerState): string {
  if (state.name !== 'live') return '';
  if (state.restoring !== undefined) return 'Restoring the connection. The picture and your input go on.';
  return state.isStalled ? 'The picture stands still. Asking for a new one.' : '';
}
