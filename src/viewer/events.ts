import type { ControlStatus } from './controls.ts';
import type { ViewerState } from './desktop-client.ts';
import type { Reason } from './reasons.ts';
import type { Stats } from './stats.ts';

/** The events of `<neko-viewer>` and their details; none bubbles. */
export interface ViewerEvents {
  statechange: CustomEvent<ViewerState>;
  controlchange: CustomEvent<ControlStatus>;
  /** The first frame of a stream was shown. */
  firstframe: CustomEvent<void>;
  /** Something went wrong, with or without the end of the connection: the gateway said so, or a close did. */
  error: CustomEvent<Reason>;
  stats: CustomEvent<Stats>;
}
