import type { Seat } from './seat.ts';
import type { ToolHandlers } from './tool.ts';

export function windowTools(seat: Seat): Pick<ToolHandlers, 'listWindows' | 'findFocusedWindow'> {
  return {
    listWindows: async () => ({ windows: await (await seat.take()).windows.list() }),
    findFocusedWindow: async () => ({ window: (await (await seat.take()).windows.findFocused()) ?? null }),
  };
}
