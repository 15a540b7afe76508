// The element's module: defines `<neko-viewer>` once, however often it is loaded.
import { NekoViewer } from './element.ts';

if (customElements.get('neko-viewer') === undefined) customElements.define('neko-viewer', NekoViewer);

export { NekoViewer };
export type { ControlStatus } from './controls.ts';
export type { ViewerState } from './desktop-client.ts';
export type { ViewerEvents } from './events.ts';
export type { Reason } from './reasons.ts';
export type { Control } from './room.ts';
export type { Stats } from './stats.ts';

declare global {
  interface HTMLElementTagNameMap {
    'neko-viewer': NekoViewer;
  }
}
