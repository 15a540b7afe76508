import x11 from 'x11';
import type { XDisplay } from './x11.ts';

const NORMAL_STATE = 1;

/**
 * Brings back each window that is minimized: a desktop without a task bar has no other way to it.
 * Windows ask their manager by a message to the root window (ICCCM 4.1.4). Returns what ends it.
 */
export async function unminimizeWindows(display: XDisplay): Promise<() => void> {
  const changeState = await display.atom('WM_CHANGE_STATE');
  const { client, root } = display;
  const stop = display.on('ClientMessage', (message) => {
    if (message.message_type !== changeState || message.data[0] === NORMAL_STATE) return;
    display.tell(() => client.MapWindow(message.wid));
  });
  display.tell(() => client.ChangeWindowAttributes(root, { eventMask: x11.eventMask.SubstructureNotify }));
  return stop;
}
