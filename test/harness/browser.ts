import { chromium, type Browser, type Page } from 'playwright-core';
import type { NekoViewer, ViewerState } from '../../src/viewer/index.ts';

export interface BrowserOptions {
  executablePath?: string;
  /** Beside those that every browser here gets. */
  args?: readonly string[];
}

/** A real Chromium. Loopback only: it looks nothing up and reports nothing. */
export async function openBrowser(options: BrowserOptions = {}): Promise<Browser & AsyncDisposable> {
  const browser = await chromium.launch({
    executablePath: options.executablePath ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...(options.args ?? []),
    ],
  });
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() });
}

export interface Colour {
  red: number;
  green: number;
  blue: number;
}

/** What the video shows in its middle now; undefined before its first frame. */
export function middleOf(page: Page): Promise<Colour | undefined> {
  return page.evaluate(() => {
    const video = document.querySelector('neko-viewer')?.shadowRoot?.querySelector('video');
    if (!video || video.videoWidth === 0) return undefined;
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext('2d');
    context?.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = context?.getImageData(0, 0, 1, 1).data ?? [];
    return { red, green, blue };
  });
}

export const isBlue = (colour: Colour | undefined): boolean =>
  colour !== undefined && colour.blue > 120 && colour.red < 90 && colour.green < 110;
export const isRed = (colour: Colour | undefined): boolean =>
  colour !== undefined && colour.red > 120 && colour.green < 70 && colour.blue < 70;
export const isGreen = (colour: Colour | undefined): boolean =>
  colour !== undefined && colour.green > 120 && colour.red < 70 && colour.blue < 120;

/** How many frames the video has shown so far. */
export function framesOf(page: Page): Promise<number> {
  return page.evaluate(() => {
    const video = document.querySelector('neko-viewer')?.shadowRoot?.querySelector('video');
    return video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
  });
}

/** What the viewer says of itself. */
export function stateOf(page: Page): Promise<ViewerState['name'] | undefined> {
  return page.evaluate(() => document.querySelector<NekoViewer>('neko-viewer')?.state.name);
}
