// The screen and the clipboard. neko's internal/api/room/screen.go and clipboard.go.
import type { FastifyReply } from 'fastify';
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

export interface ScreencastOptions {
  /** 1 to 100. */
  quality: number;
  /** No two pictures are closer. */
  everyMs: number;
}

export function addDesktopRoutes(
  routes: ApiRoutes,
  room: Room,
  desktop: Desktop,
  screencast: ScreencastOptions | undefined,
): void {
  const privateImage = new PrivateImage(room, desktop);
  const cast = screencast && new Screencast(desktop, screencast);

  routes.add('GET', '/room/screen', [watchersOnly], () => desktop.screen.size);

  routes.add('POST', '/room/screen', [watchersOnly, adminsOnly], async ({ session, request }) => {
    const { width, height, rate } = readBody(request, Size);
    const size = await setScreen(desktop, { width, height, rate });
    room.broadcast('screen/updated', { ...size, id: session.id });
    return { width, height, rate };
  });

  routes.add('GET', '/room/screen/configurations', [watchersOnly, adminsOnly], () => desktop.screen.configurations());

  routes.add('GET', '/room/screen/cast.jpg', [watchersOnly], async ({ session, reply }) => {
    if (room.isShutOut(session)) {
      await sendImage(reply, await privateImage.get());
      return;
    }
    if (cast === undefined) throw new ApiError(400, 'screencast pipeline is not enabled');
    await sendImage(reply, await cast.image());
  });

  routes.add('GET', '/room/screen/shot.jpg', [watchersOnly, adminsOnly], async ({ request, reply }) => {
    const { quality } = z.object({ quality: z.coerce.number().catch(QUALITY_DEFAULT) }).parse(request.query);
    const jpeg = await desktop.screenshots.take(Math.max(1, Math.min(100, Math.trunc(quality))));
    await sendImage(reply, jpeg);
  });

  routes.add('GET', '/room/clipboard', [canAccessClipboardOnly, hostsOnly], async () => ({
    text: await desktop.clipboard.getText(),
  }));

  routes.add('GET', '/room/clipboard/image.png', [canAccessClipboardOnly, hostsOnly], async ({ reply }) => {
    await sendImage(reply, await desktop.clipboard.getImage(), 'image/png');
  });

  routes.add('POST', '/room/clipboard', [canAccessClipboardOnly, hostsOnly], async ({ request }) => {
    await desktop.clipboard.setText(readBody(request, Text).text);
  });
}

async function sendImage(reply: FastifyReply, image: Buffer, type = 'image/jpeg'): Promise<void> {
  await reply.header('cache-control', 'no-cache, no-store, must-revalidate').type(type).send(image);
}

/** What those who are shut out by the private mode see instead: the screen as it was when that began. */
class PrivateImage {
  #image: Promise<Buffer> | undefined;

  constructor(room: Room, desktop: Desktop) {
    room.watchSettings((now, before) => {
      if (now.private_mode === before.private_mode) return;
      this.#image = now.private_mode ? desktop.screenshots.take(QUALITY_DEFAULT) : undefined;
      this.#image?.catch(() => {
        // Told to who asks for it.
      });
    });
  }

  async get(): Promise<Buffer> {
    const image = await this.#image?.catch(() => undefined);
    if (image === undefined) throw new ApiError(400, 'private mode is enabled but no fallback image available');
    return image;
  }
}

/** Pictures for those who cannot have video: one for all who ask within a frame's time. */
class Screencast {
  readonly #desktop: Desktop;
  readonly #options: ScreencastOptions;
  #last: { image: Promise<Buffer>; atMs: number } | undefined;

  constructor(desktop: Desktop, options: ScreencastOptions) {
    this.#desktop = desktop;
    this.#options = options;
  }

  image(): Promise<Buffer> {
    const atMs = performance.now();
    if (this.#last === undefined || atMs - this.#last.atMs >= this.#options.everyMs) {
      this.#last = { image: this.#desktop.screenshots.take(this.#options.quality), atMs };
    }
    return this.#last.image;
  }
}

async function setScreen(desktop: Desktop, size: ScreenSize): Promise<ScreenSize> {
  try {
    return await desktop.screen.set(size);
  } catch (cause) {
    throw new ApiError(422, 'cannot set screen size', { cause });
  }
}
