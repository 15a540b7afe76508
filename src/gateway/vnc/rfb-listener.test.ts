import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, assert, beforeAll, beforeEach, test } from 'vitest';
import { makeCertificate, type Certificate } from '../../../test/harness/certificate.ts';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { ByteReader } from '../../../test/harness/rfb-client.ts';
import type { ScriptedAgent } from '../../../test/harness/scripted-agent.ts';
import { until } from '../../../test/harness/house.ts';

const VERSION = Buffer.from('RFB 003.008\n');
const KEY = Buffer.from('0401000000000061', 'hex');
const INIT = Buffer.from('server init');
/** Type 19, VeNCrypt 0.2, X509Plain; what the server says to each. */
const ASKS_TLS = Buffer.concat([VERSION, Buffer.from([19, 0, 2, 0, 0, 1, 6])]);
const TLS_NEXT = Buffer.concat([VERSION, Buffer.from([1, 19, 0, 2, 0, 1, 0, 0, 1, 6, 1])]);

let certificate: Certificate;
let plane: ControlPlane;
let agent: ScriptedAgent;
let sessionId: string;
beforeAll(async () => {
  certificate = await makeCertificate();
});
afterAll(() => certificate[Symbol.asyncDispose]());
beforeEach(async () => {
  plane = await ControlPlane.start({ rfb: { place: { host: '127.0.0.1', port: 0 }, tls: certificate } });
  agent = await plane.connectAgent();
  sessionId = await plane.startSession();
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
});

interface Heard {
  /** Resolves with all that came so far, once it is so long or over. */
  until(length: number): Promise<Buffer>;
}

function hear(stream: Readable): Heard {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    async until(length) {
      while (Buffer.concat(chunks).length < length && !stream.closed)
        await Promise.race([once(stream, 'data'), once(stream, 'close')]);
      return Buffer.concat(chunks);
    },
  };
}

async function open(said: Uint8Array): Promise<{ socket: Socket; heard: Heard }> {
  const socket = connect(plane.gateway.rfbPort ?? 0, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(said);
  return { socket, heard: hear(socket) };
}

/** Inside TLS, with name and password said, and ClientInit ahead of its time. */
async function logIn(name: string, password: string) {
  const { socket, heard } = await open(ASKS_TLS);
  assert.deepEqual(await heard.until(TLS_NEXT.length), TLS_NEXT);
  socket.removeAllListeners('data');
  const tls = connectTls({ socket, ca: certificate.cert, servername: 'localhost' });
  tls.on('error', () => undefined);
  await once(tls, 'secureConnect');
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(name.length, 0);
  lengths.writeUInt32BE(password.length, 4);
  tls.write(Buffer.concat([lengths, Buffer.from(name + password), Buffer.from([1])]));
  return { tls, heard: hear(tls) };
}

async function dialBack(): Promise<ByteReader> {
  const { ticket } = await agent.nextVncRequest();
  let reader: ByteReader | undefined;
  await agent.dial(ticket, agent.agentKey, (tunnel) => {
    reader = new ByteReader(tunnel);
    tunnel.once('open', () => tunnel.send(INIT));
  });
  assert(reader);
  return reader;
}

test('a client joins by name and password inside TLS, is held to its role, and ends when its access is revoked', async () => {
  const { id, token } = await plane.grant(sessionId, 'controller');
  const { tls, heard } = await logIn(sessionId, token);
  const hungUp = once(tls, 'close');
  const reader = await dialBack();

  assert.deepEqual(await heard.until(4 + INIT.length), Buffer.concat([Buffer.alloc(4), INIT]));
  const resize = Buffer.from('fb0003200258010000000001000000000320025800000000', 'hex');
  tls.write(Buffer.concat([resize, KEY]));
  assert.deepEqual(Buffer.from(await reader.read(KEY.length)), KEY);
  const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`);
  assert.deepInclude(body.logins[0], { client: 'vnc', role: 'controller' });
  await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${id}`);
  await hungUp;

  const { body: log } = await plane.call('GET', '/api/v1/audit');
  const closed = log.audit.find(({ action }: { action: string }) => action === 'vnc.closed');
  assert.deepInclude(closed.detail, { code: 'ACCESS_REVOKED' });
  const opened = log.audit.find(({ action }: { action: string }) => action === 'vnc.opened');
  assert.deepInclude(opened.detail, { address: '127.0.0.1' });
});

test('wrong names and passwords are refused with a reason, audited, and limited by address', async () => {
  const { token } = await plane.grant(sessionId);
  for (const [name, password] of [
    [sessionId, 'f'.repeat(64)],
    ['s-nowhere', token],
    ['../etc', token],
    [sessionId, 'no token, at all'],
  ] as const) {
    const { heard } = await logIn(name, password);
    assert.equal((await heard.until(Infinity)).readUInt32BE(0), 1, name);
  }
  const { body } = await plane.call('GET', '/api/v1/audit');
  assert.equal(body.audit.filter(({ action }: { action: string }) => action === 'call.refused').length, 4);

  for (let guess = 0; guess < 20; guess++) await (await logIn(sessionId, `guess-${guess}`)).heard.until(Infinity);
  const { heard } = await logIn(sessionId, 'guess');
  assert.match((await heard.until(Infinity)).toString(), /too many wrong tokens/);
});

test('nothing is asked, and nothing taken, before TLS', async () => {
  for (const said of [
    Buffer.concat([VERSION, Buffer.from([1, 1])]),
    Buffer.concat([VERSION, Buffer.from([19, 0, 1])]),
    Buffer.concat([VERSION, Buffer.from([19, 0, 2, 0, 0, 1, 0])]),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.concat([ASKS_TLS, Buffer.from('0000000400000004namepass', 'utf8')]),
  ]) {
    const { socket } = await open(said);
    if (!socket.destroyed) await once(socket, 'close');
  }

  const { body } = await plane.call('GET', '/api/v1/audit');
  assert.notInclude(JSON.stringify(body), 'vnc.');
});

test('connections that say nothing are few for one address, and cost nobody else anything', async () => {
  const silent = [];
  for (let index = 0; index < 16; index++) silent.push(await open(Buffer.alloc(0)));
  await Promise.all(silent.map(({ heard }) => heard.until(VERSION.length)));

  const { socket } = await open(ASKS_TLS);
  if (!socket.destroyed) await once(socket, 'close');
  for (const each of silent) each.socket.destroy();

  const { token } = await plane.grant(sessionId);
  await until(
    'there is room again',
    async () => {
      const { socket: next, heard } = await open(Buffer.alloc(0));
      const greeting = await heard.until(VERSION.length);
      next.destroy();
      return greeting.length;
    },
    (length) => length === VERSION.length,
  );
  const { heard } = await logIn(sessionId, token);
  await dialBack();
  assert.equal((await heard.until(4 + INIT.length)).length, 4 + INIT.length);
});
