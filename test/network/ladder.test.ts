import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { test } from 'vitest';
import { isBlue, isGreen, isRed, openBrowser } from '../harness/browser.ts';
import { startCoturn } from '../harness/coturn.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until } from '../harness/house.ts';
import { colourOf, holderOf, viewerState } from '../harness/viewer.ts';
import { openFencedNetwork } from './fence.ts';

/** A lost way is noticed after 5 s of silence, and a better one tried for after 20 s; all of it takes about a minute and a half. */
const MAX_MS = 240_000;
const FALL_MS = 30_000;
const CLIMB_MS = 60_000;

test(
  'a viewer whose ways are blocked one after the other falls to the next, down to VNC, with its control, and climbs back',
  { timeout: MAX_MS },
  async () => {
    await using network = await openFencedNetwork();
    const { hostAddress } = network;
    await using coturn = await startCoturn(hostAddress);
    await using house = await openHouse({
      host: hostAddress,
      nat1to1: [hostAddress],
      turn: coturn.servers,
      tcpMedia: { host: hostAddress, port: 0, addresses: [] },
    });
    const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
    const origin = new URL(house.gateway.url).origin;
    await using browser = await openBrowser({
      executablePath: network.chromium,
      // As behind TLS, which this network has none of.
      args: [`--unsafely-treat-insecure-origin-as-secure=${origin}`],
    });
    const page = await browser.newPage();
    const { viewUrl } = await grant(house, sessionId, 'controller');
    const turnPort = /:(\d+)\?/.exec(coturn.servers.urls[0] ?? '')?.[1] ?? '';
    const gatewayPort = new URL(origin).port;
    const allUdp = ['--protocol', 'udp'];
    const allUdpButTurn = [...allUdp, '!', '--dport', turnPort];
    const allTcpButGateway = ['--protocol', 'tcp', '!', '--dport', gatewayPort];

    await page.goto(viewUrl);
    await untilRung(page, 'direct', FALL_MS);
    await page.mouse.click(400, 300);
    await until('red', () => colourOf(page), isRed);
    assert.equal(await holderOf(page), 'me');
    await network.fence(allUdpButTurn);
    await untilRung(page, 'turn', FALL_MS);
    await network.fence(allUdp);
    await untilRung(page, 'tcp', FALL_MS);
    await network.fence(allUdp, allTcpButGateway);
    await untilRung(page, 'vnc', FALL_MS);

    assert.equal(await holderOf(page), 'me');
    await page.keyboard.type('typed');
    await page.keyboard.press('Enter');
    await until('green, by VNC', () => colourOf(page), isGreen);

    await network.fence();
    await untilRung(page, 'direct', CLIMB_MS);
    assert.equal(await holderOf(page), 'me');
    assert(isGreen(await until('the picture by WebRTC', () => colourOf(page), isGreen)));
  },
);

test(
  'a viewer that nothing but HTTP gets through for has a picture by VNC within seconds',
  { timeout: MAX_MS },
  async () => {
    await using network = await openFencedNetwork();
    const { hostAddress } = network;
    await using house = await openHouse({ host: hostAddress, nat1to1: [hostAddress] });
    const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
    const { viewUrl } = await grant(house, sessionId, 'viewer');
    const origin = new URL(house.gateway.url).origin;
    await using browser = await openBrowser({
      executablePath: network.chromium,
      args: [`--unsafely-treat-insecure-origin-as-secure=${origin}`],
    });
    const page = await browser.newPage();
    await network.fence(['--protocol', 'udp']);

    await page.goto(viewUrl);
    await untilRung(page, 'vnc', FALL_MS);

    await until('blue, by VNC', () => colourOf(page), isBlue);
    await page.getByText('VNC', { exact: true }).waitFor();
  },
);

async function untilRung(page: Page, rung: string, withinMs: number): Promise<void> {
  await until(
    `the rung ${rung}`,
    () => viewerState(page),
    (state) => state?.name === 'live' && state.rung === rung,
    withinMs,
  );
}
