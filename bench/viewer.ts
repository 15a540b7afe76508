// A viewer as small as one can be, in a page of Chromium: neko's WebSocket, one peer connection, one video. It measures itself.
import type { Page } from 'playwright-core';
import { encodeInput } from '../src/input/data-channel.ts';

interface Viewer {
  socket: WebSocket;
  peer: RTCPeerConnection;
  video: HTMLVideoElement;
  channel: RTCDataChannel;
}

declare global {
  var benchViewer: Viewer | undefined;
}

/** Milliseconds from the WebSocket's constructor. */
export interface JoinTimes {
  firstFrameMs: number;
  /** ICE and DTLS are done: from here on the first frame waits for a key frame. */
  connectedMs: number;
}

/** Joins and stays; resolves with the first decoded frame. */
export function joinViewer(page: Page, url: string, protocols: string[] = []): Promise<JoinTimes> {
  return page.evaluate(
    ([address, offered]) =>
      new Promise<JoinTimes>((resolve, reject) => {
        const startedAt = performance.now();
        const socket = new WebSocket(address, offered);
        const peer = new RTCPeerConnection();
        const video = document.createElement('video');
        video.muted = true;
        document.body.append(video);
        const early: RTCIceCandidateInit[] = [];
        let connectedMs = Number.NaN;
        const send = (event: string, payload: unknown): void => socket.send(JSON.stringify({ event, payload }));
        const opened = new Promise<RTCDataChannel>((open) => {
          peer.addEventListener('datachannel', ({ channel }) => open(channel));
        });
        socket.addEventListener('close', ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
        peer.addEventListener('connectionstatechange', () => {
          if (peer.connectionState === 'connected') connectedMs = performance.now() - startedAt;
        });
        peer.addEventListener('icecandidate', ({ candidate }) => {
          if (candidate) send('signal/candidate', candidate.toJSON());
        });
        peer.addEventListener('track', ({ track }) => {
          if (track.kind !== 'video') return;
          video.srcObject = new MediaStream([track]);
          video.requestVideoFrameCallback(() => {
            const firstFrameMs = performance.now() - startedAt;
            opened.then((channel) => {
              globalThis.benchViewer = { socket, peer, video, channel };
              resolve({ firstFrameMs, connectedMs });
            }, reject);
          });
          void video.play();
        });
        const receive = async (event: string, payload: unknown): Promise<void> => {
          if (event === 'system/init') send('signal/request', { video: {}, audio: { disabled: true } });
          if (event === 'signal/candidate') {
            const candidate = payload as RTCIceCandidateInit;
            if (peer.remoteDescription) await peer.addIceCandidate(candidate);
            else early.push(candidate);
          }
          if (event === 'signal/provide') {
            await peer.setRemoteDescription({ type: 'offer', sdp: (payload as { sdp: string }).sdp });
            await peer.setLocalDescription();
            send('signal/answer', { sdp: peer.localDescription?.sdp });
            await Promise.all(early.map((candidate) => peer.addIceCandidate(candidate)));
          }
        };
        socket.addEventListener('message', ({ data }) => {
          const { event, payload } = JSON.parse(String(data)) as { event: string; payload: unknown };
          receive(event, payload).catch(reject);
        });
      }),
    [url, protocols] as const,
  );
}

/** How many frames its video has shown so far. */
export function viewerFrames(page: Page): Promise<number> {
  return page.evaluate(() => globalThis.benchViewer?.video.getVideoPlaybackQuality().totalVideoFrames ?? 0);
}

export function leaveViewer(page: Page): Promise<void> {
  return page.evaluate(() => {
    const viewer = globalThis.benchViewer;
    viewer?.peer.close();
    viewer?.socket.close(1000);
    viewer?.video.remove();
    globalThis.benchViewer = undefined;
  });
}

/** Round trips over the data channel, one after the other, in milliseconds. */
export function pingViewer(page: Page, count: number): Promise<number[]> {
  return page.evaluate(
    async ([bytes, times]) => {
      const channel = globalThis.benchViewer?.channel;
      if (channel === undefined) throw new Error('no viewer');
      channel.binaryType = 'arraybuffer';
      const PONG = 3;
      const found: number[] = [];
      for (let i = 0; i < times; i++) {
        const sentAt = performance.now();
        await new Promise<void>((resolve) => {
          const receive = ({ data }: MessageEvent<ArrayBuffer>): void => {
            if (new Uint8Array(data)[0] !== PONG) return;
            channel.removeEventListener('message', receive);
            resolve();
          };
          channel.addEventListener('message', receive);
          channel.send(new Uint8Array(bytes));
        });
        found.push(performance.now() - sentAt);
      }
      return found;
    },
    [[...encodeInput({ type: 'ping', clientMs: 1 })], count] as const,
  );
}

/** Clicks on a desktop that changes its colour at each; resolves with the milliseconds from each press to the first frame that shows it. */
export function clickViewer(page: Page, count: number): Promise<number[]> {
  const input = {
    move: [...encodeInput({ type: 'move', x: 640, y: 360 })],
    down: [...encodeInput({ type: 'button', down: true, button: 1 })],
    up: [...encodeInput({ type: 'button', down: false, button: 1 })],
  };
  return page.evaluate(
    async ([bytes, times]) => {
      const viewer = globalThis.benchViewer;
      const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
      if (viewer === undefined || context === null) throw new Error('no viewer');
      const { video, channel, socket } = viewer;
      const isLight = (): boolean => {
        context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
        return (context.getImageData(0, 0, 1, 1).data[1] ?? 0) > 128;
      };
      const untilChanged = (before: boolean): Promise<void> =>
        new Promise((resolve) => {
          const look = (): void => {
            if (isLight() === before) video.requestVideoFrameCallback(look);
            else resolve();
          };
          video.requestVideoFrameCallback(look);
        });
      socket.send(JSON.stringify({ event: 'control/request' }));
      await new Promise((resolve) => setTimeout(resolve, 300));
      channel.send(new Uint8Array(bytes.move));
      const found: number[] = [];
      for (let i = 0; i < times; i++) {
        // At no fixed phase of the encoder's clock.
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 100));
        const changed = untilChanged(isLight());
        const pressedAt = performance.now();
        channel.send(new Uint8Array(bytes.down));
        await changed;
        found.push(performance.now() - pressedAt);
        channel.send(new Uint8Array(bytes.up));
      }
      return found;
    },
    [input, count] as const,
  );
}
