import type { ViewerState } from '../viewer-state.ts';
import { element, setText } from '../dom.ts';

const STEPS = { joining: 'Joining the session', 'opening-picture': 'Opening the picture' } as const;
/** Codes after which trying again by hand can make no difference. */
const HOPELESS = new Set([
  'UNAUTHENTICATED',
  'ACCESS_EXPIRED',
  'ACCESS_REVOKED',
  'SESSION_NOT_FOUND',
  'SESSION_ENDED',
  'UNSUPPORTED',
]);

/** What stands over the picture while it is not live: why, and what can be done. */
export class StatusScreen {
  readonly element: HTMLElement;
  readonly #title = element('p', { class: 'title' });
  readonly #message = element('p', { class: 'message' });
  readonly #hint = element('p', { class: 'hint' });
  readonly #again = element('button', { type: 'button', class: 'button again' });
  #countdown: ReturnType<typeof setInterval> | undefined;

  constructor(again: () => void) {
    this.#again.addEventListener('click', again);
    const spinner = element('span', { class: 'spinner', 'aria-hidden': 'true' });
    const words = element('div', { class: 'words', role: 'status' }, this.#title, this.#message);
    const card = element('div', { class: 'card' }, spinner, words, this.#hint, this.#again);
    this.element = element('div', { class: 'status-screen', part: 'status' }, card);
  }

  render(state: ViewerState): void {
    clearInterval(this.#countdown);
    this.element.hidden = state.name === 'live';
    this.element.dataset['state'] = state.name;
    setText(this.#hint, '');
    switch (state.name) {
      case 'live':
        break;
      case 'connecting':
        this.#show(STEPS[state.step], '');
        break;
      case 'paused':
        this.#show('This session is paused', 'It goes on where it was once somebody resumes it.');
        break;
      case 'reconnecting':
        this.#show(state.reason.title, state.reason.message, 'Try now');
        this.#countDown(state.retryAtMs);
        break;
      case 'closed': {
        const isHopeless = HOPELESS.has(state.reason.code);
        const again = state.reason.code === 'DISCONNECTED' ? 'Connect' : 'Try again';
        this.#show(state.reason.title, state.reason.message, isHopeless ? undefined : again);
        break;
      }
      default:
        throw new Error(`unreachable: ${JSON.stringify(state satisfies never)}`);
    }
  }

  stop(): void {
    clearInterval(this.#countdown);
  }

  #show(title: string, message: string, again?: string): void {
    setText(this.#title, title);
    setText(this.#message, message);
    this.#again.hidden = again === undefined;
    setText(this.#again, again ?? '');
  }

  #countDown(retryAtMs: number | undefined): void {
    if (retryAtMs === undefined) return;
    const tell = (): void => {
      const seconds = Math.ceil((retryAtMs - Date.now()) / 1000);
      setText(this.#hint, seconds > 0 ? `Trying again in ${seconds} s` : 'Trying again…');
    };
    tell();
    this.#countdown = setInterval(tell, 500);
  }
}
