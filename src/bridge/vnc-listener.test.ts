import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, assert, beforeEach, test } from 'vitest';
import { ControlPlane } from '../../test/harness/control-plane.ts';
import { ByteReader } from '../../test/harness/rfb-client.ts';
import { webSocketUrl, type ScriptedAgent } from '../../test/harness/scripted-agent.ts';
import { answerChallenge } from '../rfb/password.ts';
import { VncListener } from './vnc-listener.ts';

const VERSION = Buffer.from('RFB 003.008\n');
const KEY = Buffer.from('0401000000000061', 'hex');
const INIT = Buffer.from('server init');

let plane: ControlPlane;
let agent: ScriptedAgent;
let sessionId: string;
beforeEach(async () => {
  plane = await ControlPlane.start();
  agent = await plane.connectAgent();
  sessionId = await plane.startSession();
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
});

function openListener(token: string, password?: string): Promise<VncListener> {
  const url = new URL(`${webSocketUrl(plane.gateway.url)}/s/${sessionId}/vnc`);
  const log = pino({ level: 'silent' });
  return VncListener.open({ host: '127.0.0.1', port: 0, password, door: { url, token }, log });
}

/** All that comes until the end, from a client that says this at once. */
async function hear(listener: VncListener, said: Uint8Array): Promise<{ socket: Socket; heard: () => Buffer }> {
  const socket = connect(listener.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'connect');
  socket.write(said);
  return { socket, heard: () => Buffer.concat(chunks) };
}

test('a client has every byte both ways, and its leaving is told', async () => {
  const { token } = await plane.grant(sessionId);
  await using listener = await openListener(token);
  const { socket, heard } = await hear(listener, Buffer.concat([VERSION, Buffer.from([1, 1]), KEY]));
  let reader: ByteReader | undefined;
  const { ticket } = await agent.nextVncRequest();
  await agent.dial(ticket, agent.agentKey, (tunnel) => {
    reader = new ByteReader(tunnel);
    tunnel.once('open', () => tunnel.send(INIT));
  });
  assert(reader);

  assert.deepEqual(Buffer.from(await reader.read(KEY.length)), KEY);
  while (!heard().includes(INIT)) await once(socket, 'data');
  socket.end(KEY);
  assert.deepEqual(Buffer.from(await reader.read(KEY.length)), KEY);
  await once(socket, 'close');
  await listener.stop();
  assert.deepEqual(heard(), Buffer.concat([VERSION, Buffer.from([1, 1, 0, 0, 0, 0]), INIT]));
});

test("a client that the gateway refuses is told why by the gateway's own words", async () => {
  const { id, token } = await plane.grant(sessionId);
  await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${id}`);
  await using listener = await openListener(token);
  const { socket, heard } = await hear(listener, Buffer.concat([VERSION, Buffer.from([1])]));

  await once(socket, 'close');

  assert.equal(heard().subarray(14, 18).readUInt32BE(), 1);
  assert.match(heard().subarray(22).toString(), /revoked/);
});

test('a client without the password is refused before the gateway hears of it', async () => {
  const { token } = await plane.grant(sessionId);
  await using listener = await openListener(token, 'secret');
  for (const password of ['secret', 'wrong']) {
    const { socket, heard } = await hear(listener, Buffer.concat([VERSION, Buffer.from([2])]));
    while (heard().length < 30) await once(socket, 'data');
    socket.write(answerChallenge(password, heard().subarray(14, 30)));

    if (password === 'wrong') {
      await once(socket, 'close');
      assert.match(heard().subarray(30).toString('latin1'), /wrong password/);
    } else {
      await agent.nextVncRequest();
      socket.destroy();
    }
  }
  const { body } = await plane.call('GET', '/metrics');
  assert.notMatch(String(body), /outcome="UNAUTHENTICATED"/);
});
