import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import type { SandboxAgent, DesktopStreamSession } from 'sandbox-agent';
import type { Colour } from './browser.ts';
import { until } from './house.ts';

declare global {
  interface Window {
    sandboxAgent: { SandboxAgent: typeof SandboxAgent };
    stream: DesktopStreamSession;
    streamErrors: string[];
    hasStreamEnded: boolean;
  }
}

/** A page with sandbox-agent's own client in it, as it is on npm, and a stream that it opened. */
export async function openStreamPage(browser: Browser, base: string, token: string): Promise<Page> {
  // The gateway's own pages let nothing foreign in.
  const context = await browser.newContext({ viewport: { width: 800, height: 600 }, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(new URL('/healthz', base).href);
  await page.addScriptTag({ content: await bundle() });
  await page.evaluate(
    async ({ baseUrl, accessToken }) => {
      const client = await window.sandboxAgent.SandboxAgent.connect({ baseUrl, token: accessToken });
      await client.startDesktopStream();
      const stream = client.connectDesktopStream();
      window.stream = stream;
      window.streamErrors = [];
      window.hasStreamEnded = false;
      stream.onError((error) => window.streamErrors.push(error.message));
      stream.onDisconnect(() => (window.hasStreamEnded = true));
      stream.onTrack((media) => {
        const video = document.createElement('video');
        Object.assign(video, { autoplay: true, muted: true, srcObject: media });
        document.body.replaceChildren(video);
      });
    },
    { baseUrl: base, accessToken: token },
  );
  return page;
}

/** What the stream shows in the corner of the desktop; undefined before its first frame. */
export function streamColourOf(page: Page): Promise<Colour | undefined> {
  return page.evaluate(() => {
    const video = document.querySelector('video');
    if (!video || video.videoWidth === 0) return undefined;
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context?.drawImage(video, video.videoWidth - 20, video.videoHeight - 20, 1, 1, 0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = context?.getImageData(0, 0, 1, 1).data ?? [];
    return { red, green, blue };
  });
}

export async function untilStreamIs(
  page: Page,
  what: string,
  fits: (colour: Colour | undefined) => boolean,
): Promise<void> {
  await until(`the stream is ${what}`, () => streamColourOf(page), fits);
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: "import { SandboxAgent } from 'sandbox-agent'; window.sandboxAgent = { SandboxAgent };",
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    format: 'iife',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}
