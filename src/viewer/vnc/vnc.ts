// A bundle of its own, loaded when a desktop is shown by VNC: most viewers never are.
import RFB from '@novnc/novnc';
import type { OpenVncPicture } from './picture.ts';

export const openVncPicture: OpenVncPicture = (target, socket, listener) => {
  let isOver = false;
  const rfb = new RFB(target, socket, { shared: true });
  rfb.viewOnly = true;
  rfb.scaleViewport = true;
  rfb.focusOnClick = false;
  rfb.background = 'transparent';
  rfb.addEventListener('connect', () => {
    // What the server says next is the picture that noVNC has asked for.
    const onPicture = (): void => {
      if (!isOver) requestAnimationFrame(() => isOver || listener.shown());
    };
    socket.addEventListener('message', onPicture, { once: true });
  });
  rfb.addEventListener('disconnect', () => {
    if (!isOver) listener.ended();
    isOver = true;
  });
  return {
    close: () => {
      if (isOver) return;
      isOver = true;
      rfb.disconnect();
    },
  };
};
