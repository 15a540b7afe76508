import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'undici';
import { test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { grant, openHouse, pidOf, startDesktop, until, type House } from '../harness/house.ts';
import { closeOf } from '../harness/socket-pair.ts';

const Whoami = z.object({ id: z.string(), profile: z.object({ is_admin: z.boolean(), can_host: z.boolean() }) });
const Init = z.object({ event: z.literal('system/init'), payload: z.object({ session_id: z.string() }) });
const Host = z.object({
  event: z.literal('control/host'),
  payload: z.object({ has_host: z.boolean(), host_id: z.string().optional() }),
});

test("a client that knows only neko finds neko's REST API and WebSocket under the session, and both are one login", async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const { token } = await grant(house, sessionId, 'controller');
  const call = caller(house, sessionId, token);

  const me = Whoami.parse(await (await call('GET', '/api/whoami')).body.json());
  const socket = await openSocket(house, sessionId, token);
  const init = await nextOf(socket, Init);
  const hosted = nextOf(socket, Host);
  const asked = await call('POST', '/api/room/control/request');

  assert.equal(init.payload.session_id, me.id);
  assert.deepEqual([me.profile.is_admin, me.profile.can_host], [false, true]);
  assert.equal(asked.statusCode, 204);
  assert.equal((await hosted).payload.host_id, me.id);
  const status = await (await call('GET', '/api/room/control')).body.json();
  assert.partialDeepStrictEqual(status, { has_host: true, host_id: me.id });

  // It comes back with the same token after its link broke, and is who it was, with the controls.
  socket.terminate();
  const again = await openSocket(house, sessionId, token);
  assert.equal((await nextOf(again, Init)).payload.session_id, me.id);
  assert.partialDeepStrictEqual(await (await call('GET', '/api/room/control')).body.json(), {
    has_host: true,
    host_id: me.id,
  });

  // A second connection takes the first one's place, as with neko itself.
  const replaced = closeOf(again);
  const second = await openSocket(house, sessionId, token);
  assert.equal((await nextOf(second, Init)).payload.session_id, me.id);
  assert.equal((await replaced).reason, 'LOGIN_RESUMED');

  // Logged out, the token's login is gone, and the next call makes a new one.
  const loggedOut = closeOf(second);
  assert.equal((await call('POST', '/api/logout')).statusCode, 200);
  await loggedOut;
  const newcomer = Whoami.parse(await (await call('GET', '/api/whoami')).body.json());
  assert.notEqual(newcomer.id, me.id);
});

test("what neko's API does for a client is what its role may do", async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const viewer = caller(house, sessionId, (await grant(house, sessionId, 'viewer')).token);
  const owner = caller(house, sessionId, (await grant(house, sessionId, 'owner')).token);

  const picture = await owner('GET', '/api/room/screen/shot.jpg?quality=50');
  assert.equal(picture.statusCode, 200);
  assert.equal(picture.headers['content-type'], 'image/jpeg');
  assert.deepEqual([...new Uint8Array(await picture.body.arrayBuffer()).subarray(0, 2)], [0xff, 0xd8]);
  assert.equal((await viewer('GET', '/api/room/screen/shot.jpg')).statusCode, 403);
  assert.equal((await viewer('POST', '/api/room/screen', { width: 640, height: 480, rate: 25 })).statusCode, 403);
  assert.equal((await viewer('POST', '/api/room/control/request')).statusCode, 403);

  assert.equal((await owner('POST', '/api/room/screen', { width: 640, height: 480, rate: 25 })).statusCode, 200);
  const screen = await until(
    'the new size',
    async () => (await viewer('GET', '/api/room/screen')).body.json(),
    (now) => z.object({ width: z.literal(640) }).safeParse(now).success,
  );
  assert.partialDeepStrictEqual(screen, { width: 640, height: 480 });
});

test("neko's API stays closed to wrong tokens, wrong sessions and wrong paths, and says why", async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const { token } = await grant(house, sessionId, 'viewer');
  const call = caller(house, sessionId, token);
  const codeOf = async (answer: Promise<{ body: { json(): Promise<unknown> } }>): Promise<string> =>
    z.object({ code: z.string() }).parse(await (await answer).body.json()).code;

  assert.equal(await codeOf(caller(house, sessionId, 'wrong')('GET', '/api/whoami')), 'UNAUTHENTICATED');
  assert.equal(await codeOf(caller(house, 's-other', token)('GET', '/api/whoami')), 'FORBIDDEN');
  assert.equal(await codeOf(call('POST', '/api/login', { username: 'a', password: 'b' })), 'FORBIDDEN');
  assert.equal(await codeOf(call('GET', '/api/%2e%2e/metrics')), 'NOT_FOUND');
  const byQuery = await request(`${house.gateway.url}/s/${sessionId}/api/whoami?token=${token}`);
  assert.equal(byQuery.statusCode, 200);
  assert.equal(byQuery.headers['set-cookie'], undefined);
});

test('a client that only calls the API goes on after the streamer was started anew', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const call = caller(house, sessionId, (await grant(house, sessionId, 'viewer')).token);
  const before = Whoami.parse(await (await call('GET', '/api/whoami')).body.json());

  process.kill(await pidOf(house, sessionId, 'streamer'), 'SIGKILL');

  const now = await until(
    'a login at the new streamer',
    async () => Whoami.safeParse(await (await call('GET', '/api/whoami')).body.json()).data,
    (me) => me !== undefined && me.id !== before.id,
  );
  assert.equal(now?.profile.can_host, false);
});

function caller(house: House, sessionId: string, token: string) {
  return (method: 'GET' | 'POST', path: string, body?: unknown) =>
    request(`${house.gateway.url}/s/${sessionId}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
}

async function openSocket(house: House, sessionId: string, token: string): Promise<WebSocket> {
  const socket = new WebSocket(`${house.gateway.url.replace('http', 'ws')}/s/${sessionId}/api/ws?token=${token}`);
  socket.pause();
  await once(socket, 'open');
  return socket;
}

/** The next frame of this shape; others are passed over. */
function nextOf<Frame>(socket: WebSocket, schema: z.ZodType<Frame>): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const onMessage = (bytes: Buffer): void => {
      const frame = schema.safeParse(JSON.parse(bytes.toString('utf8')));
      if (!frame.success) return;
      socket.off('message', onMessage);
      resolve(frame.data);
    };
    socket.on('message', onMessage);
    socket.once('close', (code, reason) => reject(new Error(`closed: ${code} ${reason.toString()}`)));
  });
}
