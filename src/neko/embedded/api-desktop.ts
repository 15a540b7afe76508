// The screen and the clipboard. neko's internal/api/room/screen.go and clipboard.go.
import { z } from 'zod';
import type { ScreenSize } from '../../signaling/messages.ts';
import {
  adminsOnly,
  ApiError,
  type ApiRoutes,
  canAccessClipboardOnly,
  hostsOnly,
  readBody,
  watchersOnly,
} from './api.ts';
import type { Desktop } from './desktop.ts';
import type { Room } from './room.ts';

const QUALITY_DEFAULT = 90;

const Size = z.looseObject({ width: z.int().default(0), height: z.int().default(0), rate: z.int().default(0) });
const Text = z.looseObject({ text: z.string().default('') });

export function addDesktopRoutes(routes: ApiRoutes, room: Room, desktop: Desktop): void {
  routes.add('GET', '/room/screen', [watchersOnly], () => desktop.screen.size);

  routes.add('POST', '/room/screen', [watchersOnly, adminsOnly], async ({ session, request }) => {
    const { width, height, rate } = readBody(request, Size);
    const size = await setScreen(desktop, { width, height, rate });
    room.broadcast('screen/updated', { ...size, id: session.id });
    return { width, height, rate };
  });

  routes.add('GET', '/room/screen/configurations', [watchersOnly, adminsOnly], () => desktop.screen.configurations());

  routes.add('GET', '/room/screen/cast.jpg', [watchersOnly], () => {
    throw new ApiError(400, 'screencast pipeline is not enabled');
  });

  routes.add('GET', '/room/screen/shot.jpg', [watchersOnly, adminsOnly], async ({ request, reply }) => {
    const { quality } = z.object({ quality: z.coerce.number().catch(QUALITY_DEFAULT) }).parse(request.query);
    const jpeg = await desktop.screenshots.take(Math.max(1, Math.min(100, Math.trunc(quality))));
    await reply.header('cache-control', 'no-cache, no-store, must-revalidate').type('image/jpeg').send(jpeg);
  });

  routes.add('GET', '/room/clipboard', [canAccessClipboardOnly, hostsOnly], async () => ({
    text: await desktop.clipboard.getText(),
  }));

  routes.add('POST', '/room/clipboard', [canAccessClipboardOnly, hostsOnly], async ({ request }) => {
    await desktop.clipboard.setText(readBody(request, Text).text);
  });
}

async function setScreen(desktop: Desktop, size: ScreenSize): Promise<ScreenSize> {
  try {
    return await desktop.screen.set(size);
  } catch (cause) {
    throw new ApiError(422, 'cannot set screen size', { cause });
  }
}
