import { element } from '../dom.ts';
import type { VncListener, VncModule, VncPicture } from './picture.ts';

/** Where a picture by VNC is shown, over that of WebRTC. */
export class VncView {
  readonly element = element('div', { class: 'vnc', part: 'vnc' });

  /** The picture's code is fetched the first time, and only then is anything dialled: what came earlier would be lost. */
  open(dial: () => WebSocket, listener: VncListener): VncPicture {
    let picture: VncPicture | undefined;
    let isOver = false;
    void loadVnc()
      .then(({ openVncPicture }) => {
        if (!isOver) picture = openVncPicture(this.element, dial(), listener);
      })
      .catch(() => {
        if (!isOver) listener.ended();
      });
    return {
      close: () => {
        isOver = true;
        picture?.close();
      },
    };
  }
}

function loadVnc(): Promise<VncModule> {
  // Beside this bundle, wherever that is served.
  return import(new URL('vnc.js', import.meta.url).href);
}
