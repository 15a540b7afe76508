// A real VNC client, on the screen of a desktop of its own, where a tiny one watches it and types.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { z } from 'zod';
import { encodePasswordFile } from '../../src/rfb/password.ts';
import { makeCertificate, type Certificate } from '../harness/certificate.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, startDesktop, until, type House } from '../harness/house.ts';
import { startProgram, type Program } from '../harness/programs.ts';
import { RfbClient } from '../harness/rfb-client.ts';

const BLUE = '2040c0';
const RED = 'c00000';
const GREEN = '00c040';
const RETURN = 0xff0d;
const PASSWORD = 'tellnone';
/** It must not try again by itself, nor put anything over the picture. */
const TIGERVNC = 'xtigervncviewer -FullScreen=1 -RemoteResize=0 -ReconnectOnError=0 -AlertOnFatalError=0'.split(' ');

let certificate: Certificate;
let house: House;
beforeAll(async () => {
  certificate = await makeCertificate();
  house = await openHouse({ rfb: { place: { host: '127.0.0.1', port: 0 }, tls: certificate } });
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await certificate[Symbol.asyncDispose]();
});

function startBridge(sessionId: string, token: string, args: string[]): Program {
  const gateway = ['--gateway', house.gateway.url];
  return startProgram(['vnc', sessionId, ...gateway, '--listen', '127.0.0.1:0', ...args], {
    NEKOGATE_ACCESS_TOKEN: token,
  });
}

async function untilColour(client: RfbClient, colour: string): Promise<void> {
  await until(
    `the client shows ${colour}`,
    async () => {
      await client.refresh();
      return client.pixel(400, 500);
    },
    (pixel) => pixel === colour,
  );
}

async function clickAndType(person: RfbClient): Promise<void> {
  await untilColour(person, BLUE);
  person.click(400, 300);
  await untilColour(person, RED);
  for (const key of 'typed') person.key(key.charCodeAt(0));
  person.key(RETURN);
  await untilColour(person, GREEN);
}

test('TigerVNC joins a session by `nekogate vnc`: its picture is there, and a click and a line typed in it arrive', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const [passwordFile, clientsFile] = [join(folder.path, 'password'), join(folder.path, 'vncpasswd')];
  await writeFile(passwordFile, `${PASSWORD}\n`);
  await writeFile(clientsFile, encodePasswordFile(PASSWORD));
  const watched = await startDesktop(house, paintedTerminal(file));
  const { token } = await grant(house, watched, 'controller');
  await using bridge = startBridge(watched, token, ['--password-file', passwordFile]);
  const [, port = ''] = await bridge.until(/is at 127\.0\.0\.1:(\d+)/);

  const desk = await startDesktop(house, [
    ...TIGERVNC,
    '-SecurityTypes=VncAuth',
    `-passwd=${clientsFile}`,
    `127.0.0.1::${port}`,
  ]);
  await using person = await RfbClient.open(house.gateway.url, desk, (await grant(house, desk, 'owner')).token);
  await clickAndType(person);

  assert.equal(readFileSync(file, 'utf8'), 'typed');
  await house.callApi('DELETE', `/api/v1/sessions/${desk}`, z.unknown());
  await bridge.until(/"a VNC client has left"/);
  bridge.kill('SIGINT');
  assert.deepEqual(await bridge.exited, { code: 0, signal: null });
});

test("TigerVNC joins a session at the gateway's own listener, the session its name and the token its password, in TLS", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const watched = await startDesktop(house, paintedTerminal(file));
  const { token } = await grant(house, watched, 'controller');

  const desk = await startDesktop(house, [
    'env',
    `VNC_USERNAME=${watched}`,
    `VNC_PASSWORD=${token}`,
    ...TIGERVNC,
    '-SecurityTypes=X509Plain',
    `-X509CA=${certificate.certFile}`,
    `localhost::${house.gateway.rfbPort}`,
  ]);
  await using person = await RfbClient.open(house.gateway.url, desk, (await grant(house, desk, 'owner')).token);
  await clickAndType(person);

  assert.equal(readFileSync(file, 'utf8'), 'typed');
});
