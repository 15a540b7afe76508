import type { ControlStatus } from '../controls.ts';
import { element, setText } from '../dom.ts';
import type { Rung } from '../../protocol/ice.ts';
import type { ViewerState } from '../viewer-state.ts';
import { icon, type IconName } from './icons.ts';

export interface ToolbarActions {
  readonly toggleControl: () => void;
  readonly toggleKeyboard: () => void;
  readonly toggleClipboard: () => void;
  readonly toggleSound: () => void;
  readonly toggleMenu: () => void;
  readonly toggleFullscreen: () => void;
}

export interface ToolbarView {
  readonly state: ViewerState;
  readonly control: ControlStatus;
  readonly rttMs: number | undefined;
  readonly hasSound: boolean;
  readonly isMuted: boolean;
  /** Whether a virtual keyboard has to be asked for. */
  readonly hasTouch: boolean;
  readonly hasClipboard: boolean;
  readonly isClipboardOpen: boolean;
  readonly isMenuOpen: boolean;
  readonly isFullscreen: boolean;
}

const STATE_NAMES: Record<ViewerState['name'], string> = {
  connecting: 'Connecting',
  live: 'Live',
  paused: 'Paused',
  reconnecting: 'Reconnecting',
  closed: 'Not connected',
};

/** The straight way is what people expect, and is not named. */
const RUNG_NAMES: Record<Rung, string> = { direct: '', turn: 'TURN', tcp: 'TCP', vnc: 'VNC' };

/** The bar under the picture: how the connection is, who has control, and the buttons. */
export class Toolbar {
  readonly element: HTMLElement;
  readonly #state = element('span', { class: 'state-name' });
  readonly #rtt = element('span', { class: 'rtt', title: 'Round trip to the desktop' });
  readonly #rung = element('span', { class: 'rung', title: 'The way of the picture' });
  readonly #holder = element('span', { class: 'holder', role: 'status' });
  readonly #control: HTMLButtonElement;
  readonly #sound: HTMLButtonElement;
  readonly #keyboard: HTMLButtonElement;
  readonly #clipboard: HTMLButtonElement;
  readonly #menu: HTMLButtonElement;
  readonly #fullscreen: HTMLButtonElement;

  constructor(actions: ToolbarActions) {
    this.#control = button('control', actions.toggleControl);
    this.#sound = button('sound', actions.toggleSound);
    this.#keyboard = button('keyboard', actions.toggleKeyboard);
    this.#clipboard = button('clipboard', actions.toggleClipboard);
    this.#menu = button('settings', actions.toggleMenu);
    this.#fullscreen = button('fullscreen', actions.toggleFullscreen);
    this.element = element(
      'div',
      { class: 'toolbar', role: 'toolbar', 'aria-label': 'Desktop', part: 'toolbar' },
      element('div', { class: 'status' }, element('span', { class: 'dot' }), this.#state, this.#rung, this.#rtt),
      element('div', { class: 'control-group' }, this.#holder, this.#control),
      element('div', { class: 'buttons' }, this.#keyboard, this.#clipboard, this.#sound, this.#menu, this.#fullscreen),
    );
  }

  render(view: ToolbarView): void {
    const { state, control } = view;
    this.element.dataset['state'] = state.name;
    this.element.dataset['holder'] = control.control.holder;
    const isRestoring = state.name === 'live' && state.restoring !== undefined;
    this.element.dataset['restoring'] = String(isRestoring);
    setText(this.#state, isRestoring ? 'Live, restoring' : STATE_NAMES[state.name]);
    const rung = state.name === 'live' ? state.rung : undefined;
    setText(this.#rung, rung === undefined ? '' : RUNG_NAMES[rung]);
    const isMeasured = state.name === 'live' && view.rttMs !== undefined;
    setText(this.#rtt, isMeasured && view.rttMs !== undefined ? `${Math.max(1, Math.round(view.rttMs))} ms` : '');

    setText(this.#holder, describeHolder(control));
    this.#control.hidden = !control.mayControl || control.control.holder === 'unknown' || state.name !== 'live';
    this.#control.setAttribute('aria-pressed', String(control.control.holder === 'me'));
    label(this.#control, 'control', nameControl(control));

    this.#sound.hidden = !view.hasSound;
    label(this.#sound, view.isMuted ? 'soundOff' : 'soundOn', view.isMuted ? 'Unmute' : 'Mute');
    this.#keyboard.hidden = !view.hasTouch || control.control.holder !== 'me' || state.name !== 'live';
    label(this.#keyboard, 'keyboard', 'Keyboard');
    this.#clipboard.hidden = !view.hasClipboard || state.name !== 'live';
    this.#clipboard.setAttribute('aria-expanded', String(view.isClipboardOpen));
    label(this.#clipboard, 'clipboard', 'Clipboard');
    this.#menu.setAttribute('aria-expanded', String(view.isMenuOpen));
    label(this.#menu, 'settings', 'Settings');
    const fullscreenIcon = view.isFullscreen ? 'leaveFullscreen' : 'enterFullscreen';
    label(this.#fullscreen, fullscreenIcon, view.isFullscreen ? 'Leave full screen' : 'Full screen');
  }

  focusMenu(): void {
    this.#menu.focus();
  }

  /** Where the keyboard goes when it leaves the desktop. */
  focus(): void {
    (this.#control.hidden ? this.#fullscreen : this.#control).focus();
  }
}

function describeHolder({ control, mayControl, isAsking, program }: ControlStatus): string {
  if (control.holder === 'unknown') return '';
  if (control.holder === 'me') return program ? `You have control · ${program.name} waits` : 'You have control';
  if (control.holder === 'other' && program)
    return `${mayControl ? '' : 'View only · '}${program.name} is driving, until ${timeOf(program.untilMs)}`;
  if (control.holder === 'other' && isAsking) return `Asked ${control.name} for control`;
  if (control.holder === 'other') return `${mayControl ? '' : 'View only · '}${control.name} has control`;
  return mayControl ? 'Nobody has control' : 'View only';
}

function nameControl({ control, isAsking, program }: ControlStatus): string {
  if (control.holder === 'me') return program ? 'Hand back' : 'Release control';
  if (control.holder === 'other' && program) return isAsking ? 'Taking over…' : 'Take over';
  if (control.holder === 'other') return isAsking ? 'Asked…' : 'Ask for control';
  return isAsking ? 'Taking control…' : 'Take control';
}

function timeOf(ms: number): string {
  return new Date(ms).toLocaleTimeString();
}

function button(name: string, act: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', class: `button ${name}` });
  made.addEventListener('click', act);
  return made;
}

/** The icon is drawn again only when it changes: a button that is replaced under a press loses its click. */
function label(target: HTMLButtonElement, iconName: IconName, text: string): void {
  if (target.title === text) return;
  target.title = text;
  target.setAttribute('aria-label', text);
  target.replaceChildren(icon(iconName), element('span', { class: 'label' }, text));
}
