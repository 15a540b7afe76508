import { z } from 'zod';
import { DesktopWindow } from '../../protocol/tools.ts';
import type { AccessRow } from '../store/tables.ts';
import type { Tools } from '../tools/tools.ts';

/** sandbox-agent shows no smaller ones, and none without a title. */
const WIDTH_MIN = 120;
const HEIGHT_MIN = 80;

/** As sandbox-agent's clients know one. */
export const Window = DesktopWindow.pick({
  id: true,
  title: true,
  x: true,
  y: true,
  width: true,
  height: true,
  isActive: true,
});
export const Windows = z.array(Window);

/** Those that sandbox-agent's clients are shown. @throws GatewayError */
export async function listWindows(
  tools: Tools,
  { access, signal }: { access: AccessRow; signal: AbortSignal },
): Promise<z.infer<typeof Windows>> {
  const { windows } = await tools.call(access, 'listWindows', {}, { signal });
  return windows.filter(({ title, width, height }) => title !== '' && width >= WIDTH_MIN && height >= HEIGHT_MIN);
}
