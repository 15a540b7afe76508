import assert from 'node:assert/strict';
import { test } from 'vitest';
import { z } from 'zod';
import { framesOf, isBlue, isGreen, isRed, middleOf, openBrowser } from '../harness/browser.ts';
import { startCoturn } from '../harness/coturn.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until, type House } from '../harness/house.ts';
import { ownAddress } from '../harness/own-address.ts';
import { untilLive } from '../harness/viewer.ts';

const TCP_MEDIA = { host: '0.0.0.0', port: 0, addresses: [] };

test('a viewer that no UDP reaches watches and drives by TCP, through the gateway and its agent’s tunnel', async () => {
  await using house = await openHouse({ nat1to1: [ownAddress()], tcpMedia: TCP_MEDIA });
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const { viewUrl } = await grant(house, sessionId, 'controller');
  await using browser = await openBrowser();
  const page = await browser.newPage();

  await page.goto(by('tcp', viewUrl));
  await untilLive(page);
  await until('blue', () => middleOf(page), isBlue);
  await page.mouse.click(400, 300);
  await until('red', () => middleOf(page), isRed);
  await page.keyboard.type('typed');
  await page.keyboard.press('Enter');
  await until('green', () => middleOf(page), isGreen);

  const [viewer] = await viewersOf(house, sessionId);
  assert.deepEqual([viewer?.plans, viewer?.used], [['tcp'], 'tcp']);
  assert(viewer?.candidates.every((candidate) => candidate.includes(' tcp ')));
});

test('media by TCP is had again when the gateway comes back, and ends with the access', async () => {
  await using house = await openHouse({ nat1to1: [ownAddress()], tcpMedia: TCP_MEDIA });
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const { viewUrl, id } = await grant(house, sessionId, 'viewer');
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(by('tcp', viewUrl));
  await until('blue', () => middleOf(page), isBlue);

  await house.restartGateway();
  await until(
    'the viewer again',
    () => viewersOf(house, sessionId),
    ([viewer]) => viewer?.used === 'tcp',
    40_000,
  );
  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${id}`, z.unknown());

  await until(
    'no viewer',
    () => viewersOf(house, sessionId),
    (viewers) => viewers.length === 0,
    2000,
  );
  const frames = await framesOf(page);
  await page
    .getByText(/revoked/i)
    .first()
    .waitFor();
  assert.equal(await framesOf(page), frames);
});

test('a viewer that wants a way that there is not is told which is missing', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const { viewUrl } = await grant(house, sessionId, 'viewer');
  await using browser = await openBrowser();
  const page = await browser.newPage();

  await page.goto(by('turn,tcp', viewUrl));

  const notice = page.getByText('there is no such way for media here').first();
  assert.match((await notice.textContent()) ?? '', /no turn: .*--turn.*no tcp: .*--tcp-media/);
});

test('a look at a host says of each way whether it works, and what to do where it does not', async () => {
  await using coturn = await startCoturn();
  const turn = { ...coturn.servers, urls: [...coturn.servers.urls, `turn:${ownAddress()}:9?transport=tcp`] };
  // TEST-NET-2 (RFC 5737) is nowhere.
  await using house = await openHouse({ nat1to1: [ownAddress(), '198.51.100.1'], turn, tcpMedia: TCP_MEDIA });

  const { ok, paths } = await house.callApi('GET', '/api/v1/agents/host-1/preflight', Preflight);

  assert.equal(ok, true);
  const verdicts = paths.map((path) => [path.plan, path.target.replace(/:\d+$/, ''), path.ok]);
  assert.deepEqual(verdicts, [
    ['direct', ownAddress(), true],
    ['direct', '198.51.100.1', false],
    ['turn', turn.urls[0], true],
    ['turn', turn.urls[1], false],
    ['tcp', ownAddress(), true],
  ]);
  assert.match(paths[1]?.detail ?? '', /no datagram .* came .*firewall/);
  assert.match(paths[3]?.detail ?? '', /no relay could be had: .*; does the TURN server run/);
});

test('a TURN server with another secret is told as that', async () => {
  await using coturn = await startCoturn();
  await using house = await openHouse({ nat1to1: [ownAddress()], turn: { ...coturn.servers, secret: 'another' } });

  const { paths } = await house.callApi('GET', '/api/v1/agents/host-1/preflight', Preflight);

  const path = paths.find(({ plan }) => plan === 'turn');
  assert.equal(path?.ok, false);
  assert.match(path?.detail ?? '', /no relay could be had: it does not take the credentials; .*same secret/);
});

const Preflight = z.object({
  ok: z.boolean(),
  paths: z.array(z.object({ plan: z.string(), target: z.string(), ok: z.boolean(), detail: z.string() })),
});

const Diagnostics = z.object({
  viewers: z.array(
    z.object({ plans: z.array(z.string()), used: z.string().optional(), candidates: z.array(z.string()) }),
  ),
});

async function viewersOf(house: House, sessionId: string): Promise<z.infer<typeof Diagnostics>['viewers']> {
  return (await house.callApi('GET', `/api/v1/sessions/${sessionId}/diagnostics`, Diagnostics)).viewers;
}

function by(plans: string, viewUrl: string): string {
  const url = new URL(viewUrl);
  url.searchParams.set('ice', plans);
  return url.href;
}
