// Claim: joining through gateway and agent takes at most 1.3 times what joining the streamer itself takes.
// Measured in Chromium, from the WebSocket's constructor to the first decoded frame, the two ways in turn in one run.
// The peer gets its neko login for free, before its clock starts; ours makes a login within the measured time.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { openBrowser } from '../test/harness/browser.ts';
import { findNeko, grant, openHouse, paintedTerminal, startDesktop } from '../test/harness/house.ts';
import { close, median, percentile, round } from './run.ts';

const JOINS = 20;
const WARM_UP = 2;

await using house = await openHouse();
const sessionId = await startDesktop(house, paintedTerminal(join(tmpdir(), 'nekogate-bench-join')));
const { token } = await grant(house, sessionId, 'viewer');
const neko = await findNeko(house, sessionId);
await using browser = await openBrowser();
const page = await browser.newPage();
await page.goto(house.gateway.url);
const throughGateway = house.gateway.url.replace('http', 'ws') + `/s/${sessionId}/api/ws`;

const ours: number[] = [];
const theirs: number[] = [];
const joinOurs = (): Promise<number> => joinOnce(page, throughGateway, ['nekogate.v1', `access.${token}`]);
const joinTheirs = async (): Promise<number> => {
  const login = await neko.login('bench', 'viewer');
  const ms = await joinOnce(page, neko.socketUrl(login.token), []);
  await neko.logout(login.token);
  return ms;
};
for (let i = 0; i < WARM_UP + JOINS; i++) {
  // Now one first, now the other: what comes second may find a pipeline that still runs.
  const [first, second] = i % 2 === 0 ? [joinOurs, joinTheirs] : [joinTheirs, joinOurs];
  const [firstMs, secondMs] = [await first(), await second()];
  if (i < WARM_UP) continue;
  ours.push(first === joinOurs ? firstMs : secondMs);
  theirs.push(first === joinOurs ? secondMs : firstMs);
}

const ratio = median(ours) / median(theirs);
console.table({
  'through gateway and agent': {
    'median ms': round(median(ours)),
    'p95 ms': round(percentile(ours, 0.95)),
    ratio: round(ratio, 2),
  },
  'the streamer itself': { 'median ms': round(median(theirs)), 'p95 ms': round(percentile(theirs, 0.95)), ratio: 1 },
});
close(
  'join',
  { oursMedianMs: round(median(ours)), streamerMedianMs: round(median(theirs)), joins: JOINS },
  { medianRatio: { value: round(ratio, 3), max: 1.3 } },
);

/** One join as a viewer does it, in the page; resolves with the milliseconds to the first decoded frame. */
function joinOnce(inPage: Page, url: string, protocols: string[]): Promise<number> {
  return inPage.evaluate(
    async ([address, offered]) => {
      const startedAt = performance.now();
      const socket = new WebSocket(address, offered);
      const peer = new RTCPeerConnection();
      const video = document.createElement('video');
      video.muted = true;
      document.body.append(video);
      const early: RTCIceCandidateInit[] = [];
      const send = (event: string, payload: unknown): void => socket.send(JSON.stringify({ event, payload }));
      try {
        return await new Promise<number>((resolve, reject) => {
          socket.addEventListener('close', ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
          peer.addEventListener('icecandidate', ({ candidate }) => {
            if (candidate) send('signal/candidate', candidate.toJSON());
          });
          peer.addEventListener('track', ({ track }) => {
            if (track.kind !== 'video') return;
            video.srcObject = new MediaStream([track]);
            video.requestVideoFrameCallback(() => resolve(performance.now() - startedAt));
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
        });
      } finally {
        peer.close();
        socket.close(1000);
        video.remove();
      }
    },
    [url, protocols] as const,
  );
}
