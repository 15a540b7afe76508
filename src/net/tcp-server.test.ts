import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { TcpServer } from './tcp-server.ts';

const log = pino({ level: 'silent' });
const ending = new GatewayError('SHUTTING_DOWN', 'enough');

test('stops once each connection is served to its end, and tells them why', async () => {
  const { promise: reason, resolve: tell } = Promise.withResolvers<unknown>();
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const serve = async (socket: Socket, signal: AbortSignal): Promise<void> => {
    signal.addEventListener('abort', () => tell(signal.reason));
    await finished;
    socket.destroy();
  };
  const server = new TcpServer({ connectionsMax: 1, serve, log });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const client = connect(server.port, '127.0.0.1');
  client.write('hello');
  await once(client, 'connect');
  // One more than may be is closed; by then the first is served.
  const surplus = connect(server.port, '127.0.0.1').on('error', () => undefined);
  await once(surplus, 'close');
  let isStopped = false;
  const stopping = server.stop(ending).then(() => (isStopped = true));
  assert.strictEqual(await reason, ending);
  await new Promise(setImmediate);
  assert.isFalse(isStopped);
  finish();
  await stopping;
  await once(client, 'close');
});

test('says whose place is taken', async () => {
  const serve = (socket: Socket): Promise<void> => Promise.resolve(void socket.destroy());
  const first = new TcpServer({ connectionsMax: 1, serve, log });
  await first.listen({ host: '127.0.0.1', port: 0 });
  const second = new TcpServer({ connectionsMax: 1, serve, log });
  const place = { host: '127.0.0.1', port: first.port };
  const failure: unknown = await second.listen(place, '--tcp-media').catch((thrown: unknown) => thrown);
  assert.instanceOf(failure, GatewayError);
  assert.strictEqual(failure.code, 'BAD_REQUEST');
  assert.match(failure.message, /^--tcp-media can't listen at 127\.0\.0\.1 port \d+: .*EADDRINUSE/);
  await Promise.all([first.stop(ending), second.stop(ending)]);
});
