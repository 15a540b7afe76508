// The element's module: defines `<neko-viewer>` once, however often it is loaded.
import { NekoViewer } from './element.ts';

if (customElements.get('neko-viewer') === undefined) customElements.define('neko-viewer', NekoViewer);

export { NekoViewer };
export type { ControlStatus } from './controls.ts';
export type { ViewerEvents } from './events.ts';
export type { Screen } from './messages.ts';
export type { Reason } from './reasons.ts';
export type { Control } from './room.ts';
export type { Route, Stats } from './stats.ts';
export type { Quality } from './stream.ts';
export type { Rung } from '../protocol/ice.ts';
export type { Restoring, ViewerState } from './viewer-state.ts';

declare global {
  interface HTMLElementTagNameMap {
    'neko-viewer': NekoViewer;
  }
}
