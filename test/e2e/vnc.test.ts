import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, pidOf, startDesktop, until, type House } from '../harness/house.ts';
import { RfbClient } from '../harness/rfb-client.ts';

const BLUE = '2040c0';
const RED = 'c00000';
const GREEN = '00c040';
const RETURN = 0xff0d;

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house[Symbol.asyncDispose]());

async function openClient(sessionId: string, role: 'viewer' | 'controller' | 'owner'): Promise<RfbClient> {
  return RfbClient.open(house.gateway.url, sessionId, (await grant(house, sessionId, role)).token);
}

async function untilColour(client: RfbClient, colour: string): Promise<void> {
  await until(
    `the desktop is ${colour}`,
    async () => {
      await client.refresh();
      return client.pixel(400, 500);
    },
    (pixel) => pixel === colour,
  );
}

/** Unix sockets and TCP connections that this process has open, and its timers. */
function openHandles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name.includes('Pipe') || name.includes('TCP'));
}

test('two clients see the desktop; the one that may drive it types on it, what the other types never arrives', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, paintedTerminal(file));
  const before = openHandles().length;
  {
    await using watching = await openClient(sessionId, 'viewer');
    await using driving = await openClient(sessionId, 'controller');
    assert.deepEqual([watching.width, watching.height, watching.name], [800, 600, 'nekogate']);
    await Promise.all([untilColour(watching, BLUE), untilColour(driving, BLUE)]);

    // One after the other through the same VNC server: had the viewer's click come through, the desktop would be red by now.
    watching.click(400, 300);
    watching.key(0x78);
    await watching.refresh();
    await driving.refresh();
    assert.deepEqual([watching.pixel(400, 500), driving.pixel(400, 500)], [BLUE, BLUE]);
    driving.click(400, 300);
    await Promise.all([untilColour(watching, RED), untilColour(driving, RED)]);
    for (const key of 'typed') driving.key(key.charCodeAt(0));
    watching.key(RETURN);
    driving.key(RETURN);
    await Promise.all([untilColour(watching, GREEN), untilColour(driving, GREEN)]);

    assert.equal(readFileSync(file, 'utf8'), 'typed');
  }

  await until(
    'nothing of the two is left',
    async () => openHandles().length,
    (count) => count <= before,
  );
  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}`, z.unknown());
});

test('an end of the X server ends its clients, and they can come back', async () => {
  const sessionId = await startDesktop(house, ['xterm', '-fullscreen', '-bg', `#${BLUE}`]);
  await using client = await openClient(sessionId, 'viewer');
  await untilColour(client, BLUE);

  process.kill(await pidOf(house, sessionId, 'x-server'), 'SIGKILL');

  assert.deepEqual(await client.closed, { code: 4502, reason: 'VNC_LOST' });
  const back = await until(
    'the desktop is back',
    () => openClient(sessionId, 'viewer').catch(() => undefined),
    (opened) => opened !== undefined,
  );
  assert(back);
  await using again = back;
  await untilColour(again, BLUE);
});

test('stopping the session ends its clients, with its name', async () => {
  const sessionId = await startDesktop(house, ['xterm', '-fullscreen']);
  await using client = await openClient(sessionId, 'owner');
  await client.refresh();

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}`, z.unknown());

  assert.deepEqual(await client.closed, { code: 4411, reason: 'SESSION_ENDED' });
});

test('a gateway that is started anew ends its VNC clients, and they can come back', async () => {
  const sessionId = await startDesktop(house, ['xterm', '-fullscreen', '-bg', `#${BLUE}`]);
  const { token } = await grant(house, sessionId, 'viewer');
  await using client = await RfbClient.open(house.gateway.url, sessionId, token);
  await untilColour(client, BLUE);

  await house.restartGateway();

  assert.deepEqual(await client.closed, { code: 4503, reason: 'SHUTTING_DOWN' });
  const back = await until(
    'the agent is back',
    () => RfbClient.open(house.gateway.url, sessionId, token).catch(() => undefined),
    (opened) => opened !== undefined,
  );
  assert(back);
  await using again = back;
  await untilColour(again, BLUE);
});
