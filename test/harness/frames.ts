import type { Page } from 'playwright-core';

/** How many frames a video had shown by then. */
export interface Sample {
  /** By Date.now(), so that pages can be compared. */
  atMs: number;
  frames: number;
}

declare global {
  interface Window {
    frameSamples?: Sample[];
  }
}

const SAMPLE_MS = 500;

/** Counts the frames of the page's viewer, or of its only video, from now on. */
export async function startSampling(page: Page): Promise<void> {
  await page.evaluate((everyMs) => {
    const samples: Sample[] = [];
    window.frameSamples = samples;
    setInterval(() => {
      const root = document.querySelector('neko-viewer')?.shadowRoot ?? document;
      const frames = root.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
      samples.push({ atMs: Date.now(), frames });
    }, everyMs);
  }, SAMPLE_MS);
}

export function samplesOf(page: Page): Promise<Sample[]> {
  return page.evaluate(() => window.frameSamples ?? []);
}

/**
 * Shows in the page a picture that it makes and sends to itself, at this rate: how the frames of others fare on this machine now.
 * Resolves at the first frame.
 */
export async function showOwnPicture(page: Page, rate: number): Promise<void> {
  await page.evaluate(async (framesPerSecond) => {
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d');
    const video = document.createElement('video');
    video.muted = true;
    document.body.append(canvas, video);
    const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
    from.addEventListener('icecandidate', ({ candidate }) => void to.addIceCandidate(candidate ?? undefined));
    to.addEventListener('icecandidate', ({ candidate }) => void from.addIceCandidate(candidate ?? undefined));
    to.addEventListener('track', ({ track }) => {
      video.srcObject = new MediaStream([track]);
      void video.play();
    });
    let count = 0;
    setInterval(() => {
      count += 1;
      context?.clearRect(0, 0, canvas.width, canvas.height);
      context?.fillText(String(count), 10, 10 + (count % 100));
    }, 1000 / framesPerSecond);
    for (const track of canvas.captureStream(framesPerSecond).getTracks()) from.addTrack(track);
    await from.setLocalDescription();
    await to.setRemoteDescription(from.localDescription ?? { type: 'offer', sdp: '' });
    await to.setLocalDescription();
    await from.setRemoteDescription(to.localDescription ?? { type: 'answer', sdp: '' });
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  }, rate);
}
