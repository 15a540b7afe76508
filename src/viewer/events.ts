import type { ControlStatus } from './controls.ts';
import type { Screen } from './messages.ts';
import type { Reason } from './reasons.ts';
import type { Stats } from './stats.ts';
import type { ViewerState } from './viewer-state.ts';

/** The events of `<neko-viewer>` and their details; none bubbles. */
export interface ViewerEvents {
  statechange: CustomEvent<ViewerState>;
  controlchange: CustomEvent<ControlStatus>;
  /** The first frame of a stream was shown. */
  firstframe: CustomEvent<void>;
  /** Something went wrong, with or without the end of the connection: the gateway said so, or a close did. */
  error: CustomEvent<Reason>;
  stats: CustomEvent<Stats>;
  /** The desktop has another size, or its first. */
  screenchange: CustomEvent<Screen>;
  /** The desktop copied a text, and this viewer has control and may see its clipboard. */
  clipboard: CustomEvent<string>;
}

/** Tells the page of one of the element's own events. */
export type Dispatch = <K extends keyof ViewerEvents>(type: K, detail: ViewerEvents[K]['detail']) => void;
