import type { Seat } from './seat.ts';
import type { ToolHandlers } from './tool.ts';

type WindowTool = 'listWindows' | 'findFocusedWindow' | 'focusWindow' | 'moveWindow' | 'resizeWindow' | 'closeWindow';

export function windowTools(seat: Seat): Pick<ToolHandlers, WindowTool> {
  return {
    listWindows: async () => ({ windows: await (await seat.take()).windows.list() }),
    findFocusedWindow: async () => ({ window: (await (await seat.take()).windows.findFocused()) ?? null }),
    focusWindow: async ({ input: { id } }) => (await seat.take()).windows.focus(id),
    moveWindow: async ({ input: { id, ...place } }) => (await seat.take()).windows.move(id, place),
    resizeWindow: async ({ input: { id, ...size } }) => (await seat.take()).windows.resize(id, size),
    closeWindow: async ({ input: { id } }) => ({ closed: await (await seat.take()).windows.close(id) }),
  };
}
