import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { test } from 'vitest';
import { z } from 'zod';
import { isBlue, middleOf, openBrowser } from '../harness/browser.ts';
import { startCoturn } from '../harness/coturn.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until } from '../harness/house.ts';
import { ownAddress } from '../harness/own-address.ts';
import { openViewer } from '../harness/viewer.ts';

test('a browser that can use nothing but a TURN server gets credentials for it, and its picture by it', async () => {
  await using coturn = await startCoturn();
  await using house = await openHouse({ nat1to1: [ownAddress()], turn: coturn.servers });
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using browser = await openBrowser();

  const page = await openViewer(browser, house, sessionId, { prepare: (one) => spyOnPeers(one, { policy: 'relay' }) });

  await until('blue in the video', () => middleOf(page), isBlue);
  assert.equal(await selectedTypeOf(page), 'relay');
  // The name that coturn let in is the login's.
  const Logins = z.object({ logins: z.array(z.object({ loginId: z.string() })) });
  const { logins } = await house.callApi('GET', `/api/v1/sessions/${sessionId}/logins`, Logins);
  assert.match(
    coturn.output(),
    new RegExp(`user <\\d+:${logins[0]?.loginId}>: incoming packet ALLOCATE processed, success`),
  );
});

test('a browser that can reach the host is not sent over the TURN server', async () => {
  await using coturn = await startCoturn();
  await using house = await openHouse({ nat1to1: [ownAddress()], turn: coturn.servers });
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  await using browser = await openBrowser();

  const page = await openViewer(browser, house, sessionId, { prepare: (one) => spyOnPeers(one) });

  await until('blue in the video', () => middleOf(page), isBlue);
  assert.notEqual(await selectedTypeOf(page), 'relay');
});

test('a viewer that is told to goes by the TURN server though it could reach the host', async () => {
  await using coturn = await startCoturn();
  await using house = await openHouse({ nat1to1: [ownAddress()], turn: coturn.servers });
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const { viewUrl } = await grant(house, sessionId, 'viewer');
  const url = new URL(viewUrl);
  url.searchParams.set('ice', 'turn');
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await spyOnPeers(page);

  await page.goto(url.href);

  await until('blue in the video', () => middleOf(page), isBlue);
  assert.equal(await selectedTypeOf(page), 'relay');
});

/** Keeps the page's connections at hand, and where a policy is given holds them to it, whatever the viewer wants. */
function spyOnPeers(page: Page, { policy }: { policy?: RTCIceTransportPolicy } = {}): Promise<unknown> {
  return page.addInitScript((forced) => {
    const peers: RTCPeerConnection[] = [];
    Object.assign(globalThis, {
      peers,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration: RTCConfiguration) {
          super({ ...configuration, ...(forced && { iceTransportPolicy: forced }) });
          peers.push(this);
        }
      },
    });
  }, policy);
}

/** The type of the local candidate that media goes by. */
function selectedTypeOf(page: Page): Promise<string | undefined> {
  return page.evaluate(async () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- spyOnPeers has put it there
    const peer = (globalThis as unknown as { peers: RTCPeerConnection[] }).peers.at(-1);
    const stats = new Map<string, Record<string, string>>((await peer?.getStats()) ?? []);
    const transport = [...stats.values()].find(({ type }) => type === 'transport');
    const pair = stats.get(transport?.['selectedCandidatePairId'] ?? '');
    return stats.get(pair?.['localCandidateId'] ?? '')?.['candidateType'];
  });
}
