import { once } from 'node:events';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import type { WebSocket } from 'ws';
import { listen, type SocketServer } from '../../test/harness/socket-pair.ts';
import { textOf } from '../websocket/frames.ts';
import { Spares } from './spares.ts';

const LOG = pino({ level: 'silent' });

async function openSpares() {
  await using opening = new AsyncDisposableStack();
  const server = opening.use(await listen());
  const spares = new Spares({ url: server.url, dial: {}, log: LOG });
  opening.defer(() => spares.stop());
  const owned = opening.move();
  return { server, spares, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The gateway's ends of the next spares. */
async function accept(server: SocketServer, count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = [];
  while (sockets.length < count) sockets.push((await once(server.sockets, 'connection'))[0]);
  return sockets;
}

/** The gateway's end knows of it a moment earlier. */
async function takeOnceOpen(spares: Spares, ticket: string): Promise<WebSocket> {
  for (;;) {
    const socket = spares.take(ticket);
    if (socket) return socket;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a spare is dialled before it is asked for, says its ticket when it is taken, and another takes its place', async () => {
  await using opened = await openSpares();
  const accepted = accept(opened.server, 2);
  opened.spares.renew();
  const ends = await accepted;
  const replaced = accept(opened.server, 1);
  const heard = Promise.race(ends.map((end) => once(end, 'message')));

  const taken = await takeOnceOpen(opened.spares, 'a'.repeat(64));

  assert.equal(String((await heard)[0]), JSON.stringify({ ticket: 'a'.repeat(64) }));
  assert.equal((await replaced).length, 1);
  taken.terminate();
});

test('what a gateway says at once waits for the taker', async () => {
  await using opened = await openSpares();
  opened.server.sockets.on('connection', (end) =>
    end.once('message', () => ['one', 'two'].forEach((frame) => end.send(frame))),
  );
  opened.spares.renew();
  const taken = await takeOnceOpen(opened.spares, 'a'.repeat(64));
  await new Promise((resolve) => setTimeout(resolve, 50));

  const frames: string[] = [];
  taken.on('message', (frame) => frames.push(textOf(frame)));
  taken.resume();

  while (frames.length < 2) await once(taken, 'message');
  assert.deepEqual(frames, ['one', 'two']);
  taken.terminate();
});

test('a gateway that takes none leaves tunnels to be dialled, and a new connection begins with new ones', async () => {
  await using opened = await openSpares();
  const first = accept(opened.server, 2);
  opened.spares.renew();
  const closed = Promise.all((await first).map((end) => once(end, 'close')));
  const second = accept(opened.server, 2);

  opened.spares.renew();

  await closed;
  assert.equal((await second).length, 2);
  opened.server.http.close();
  opened.spares.stop();
  assert.equal(opened.spares.take('a'.repeat(64)), undefined);
});
