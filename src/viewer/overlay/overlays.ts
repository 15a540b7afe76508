import type { ControlStatus } from '../controls.ts';
import type { Stats } from '../stats.ts';
import type { ViewerState } from '../viewer-state.ts';
import { AskPrompt } from './ask-prompt.ts';
import { Hint } from './hint.ts';
import { Menu, type MenuSection } from './menu.ts';
import { Notice } from './notice.ts';
import { StatsPanel } from './stats-panel.ts';
import { StatusScreen } from './status-screen.ts';
import { Toolbar, type ToolbarActions, type ToolbarView } from './toolbar.ts';

export interface OverlayActions extends Omit<ToolbarActions, 'toggleMenu'> {
  readonly tryAgain: () => void;
  readonly giveControl: () => void;
  readonly keepControl: () => void;
}

export interface OverlayView extends Omit<ToolbarView, 'isMenuOpen' | 'rttMs'> {
  readonly state: ViewerState;
  readonly control: ControlStatus;
  readonly stats: Stats | undefined;
  readonly isStatsShown: boolean;
  readonly menu: readonly MenuSection[];
}

/** Everything that stands over and under the picture, drawn from one view. */
export class Overlays {
  readonly notice = new Notice();
  readonly toolbar: Toolbar;
  readonly menu = new Menu(() => this.toolbar.focusMenu());
  readonly #hint = new Hint();
  readonly #stats = new StatsPanel();
  readonly #status: StatusScreen;
  readonly #ask: AskPrompt;

  constructor(actions: OverlayActions) {
    this.toolbar = new Toolbar({ ...actions, toggleMenu: () => this.menu.toggle() });
    this.#status = new StatusScreen(actions.tryAgain);
    this.#ask = new AskPrompt(actions.giveControl, actions.keepControl);
  }

  /** What stands over the picture. */
  get elements(): HTMLElement[] {
    return [
      this.#status.element,
      this.#hint.element,
      this.#stats.element,
      this.menu.element,
      this.#ask.element,
      this.notice.element,
    ];
  }

  render(view: OverlayView): void {
    this.#status.render(view.state);
    this.#hint.render(view.state);
    this.#stats.render(view.isStatsShown && view.state.name === 'live', view.stats);
    this.#ask.render(view.control);
    this.menu.render(view.menu);
    this.toolbar.render({ ...view, rttMs: view.stats?.rttMs, isMenuOpen: this.menu.isOpen });
  }

  stop(): void {
    this.#status.stop();
    this.notice.hide();
  }
}
