import { GatewayError } from '../../errors.ts';
import { accessibilityAddressOf } from '../accessibility-bus.ts';
import { actOn } from './accessibility/act.ts';
import { AtSpi } from './accessibility/atspi.ts';
import { readTree, type WantedWindow } from './accessibility/tree.ts';
import type { Seat } from './seat.ts';
import type { ToolHandlers, ToolSite } from './tool.ts';

export function accessibilityTools(site: ToolSite, seat: Seat): Pick<ToolHandlers, 'readElements' | 'actOnElement'> {
  const address = accessibilityAddressOf(site.environment.folder);
  return {
    readElements: async ({ input }) => {
      const window = input.window === undefined ? undefined : await findWindow(seat, input.window);
      using atSpi = await AtSpi.open(address);
      return await readTree(atSpi, input, window);
    },
    actOnElement: async ({ input }) => {
      using atSpi = await AtSpi.open(address);
      return { element: (await actOn(atSpi, input)) ?? null };
    },
  };
}

async function findWindow(seat: Seat, id: string): Promise<WantedWindow> {
  const { windows } = await seat.take();
  const window = (await windows.list()).find((one) => one.id === id);
  if (!window) throw new GatewayError('NOT_FOUND', `there is no window ${id}; it may have been closed`);
  return window;
}
