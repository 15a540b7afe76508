import { createConnection } from 'node:net';
import { assert, test } from 'vitest';
import { readAll } from '../../../test/harness/hostile-engine.ts';
import { freePort } from '../../../test/harness/ports.ts';
import { listen } from './listeners.ts';

const PORT = '80/tcp';

test('a port of every address is on both loopbacks, under one number, until it is closed', async () => {
  const listener = await listen({ port: PORT, address: '', range: undefined }, undefined, (socket) => socket.end('hi'));
  const say = (host: string): Promise<string> =>
    readAll(createConnection({ host, port: listener.localPort })).catch(String);

  assert.equal(await say('127.0.0.1'), 'hi');
  assert.equal(await say('::1'), 'hi');
  await listener.close();
  assert.include(await say('127.0.0.1'), 'ECONNREFUSED');
});

test('of a range the first free port is taken, and a taken port is told in the words of the daemon', async () => {
  const port = await freePort();
  const close = async (...all: { close(): Promise<void> }[]): Promise<unknown> =>
    Promise.all(all.map((one) => one.close()));
  const range = { first: port, last: port + 1 };
  const first = await listen({ port: PORT, address: '', range }, undefined, () => undefined);

  const failure = await listen(
    { port: PORT, address: '', range: { first: port, last: port } },
    undefined,
    () => undefined,
  ).catch(String);
  const second = await listen({ port: PORT, address: '127.0.0.1', range }, undefined, () => undefined);

  assert.equal(first.localPort, port);
  assert.equal(second.localPort, port + 1);
  assert.include(failure, `Bind for 0.0.0.0:${port} failed: port is already allocated`);
  await close(first, second);
});

test('a port that was there before is taken again when it is free', async () => {
  const port = await freePort();
  const listener = await listen({ port: PORT, address: '127.0.0.1', range: undefined }, port, () => undefined);

  assert.equal(listener.localPort, port);
  await listener.close();
});

test("an address that this machine hasn't got is told as that", async () => {
  const failure = await listen(
    { port: PORT, address: '192.0.2.77', range: undefined },
    undefined,
    () => undefined,
  ).catch(String);

  assert.include(failure, 'listen tcp 192.0.2.77:0: bind: cannot assign requested address');
});
