import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { assert, beforeAll, afterAll, test } from 'vitest';
import { WebSocket } from 'ws';
import { ADMIN_PASSWORD, openDesktop, type OpenedDesktop } from '../../test/harness/desktop.ts';
import { GatewayError } from '../errors.ts';
import { Role } from '../protocol/session.ts';
import { NekoClient, profileOf } from './client.ts';

let opened: OpenedDesktop;
let neko: NekoClient;
let baseUrl: string;

beforeAll(async () => {
  opened = await openDesktop({});
  baseUrl = opened.desktop.state.streamer.baseUrl;
  neko = new NekoClient({ baseUrl, adminPassword: ADMIN_PASSWORD });
});

afterAll(() => opened.desktop.stop().then(() => opened[Symbol.asyncDispose]()));

test.each(Role.options)("a %s's login may do what the role may, and no more", async (role) => {
  const login = await neko.login('alice', role);

  const session = (await neko.sessions()).find(({ id }) => id === login.id);

  const { plugins: _plugins, ...profile } = session?.profile ?? assert.fail('neko does not know the login');
  assert.deepEqual(profile, { name: 'alice', ...profileOf(role) });
  await neko.logout(login.token);
});

test.each(['viewer', 'controller'] as const)('a %s can not raise its login again', async (role) => {
  const login = await neko.login('mallory', role);

  const profile = { name: 'mallory', ...profileOf('owner') };
  await fetch(`${baseUrl}/api/profile`, {
    method: 'POST',
    headers: { authorization: `Bearer ${login.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(profile),
  });

  const session = (await neko.sessions()).find(({ id }) => id === login.id);
  assert.equal(session?.profile.is_admin, false);
  assert.equal(session?.profile.can_host, role === 'controller');
  await neko.logout(login.token);
});

test('logins of one name are different logins, and none is left after their logout', async () => {
  const logins = await Promise.all([1, 2, 3].map(() => neko.login('bob', 'viewer')));

  assert.lengthOf(new Set(logins.map(({ id }) => id)), 3);
  await Promise.all(logins.map(({ token }) => neko.logout(token)));

  assert.deepEqual(await neko.sessions(), []);
});

test('logging out twice is fine', async () => {
  const { token } = await neko.login('bob', 'viewer');

  await neko.logout(token);
  await neko.logout(token);

  assert.deepEqual(await neko.sessions(), []);
});

test('the WebSocket of a login opens, and ends when the login is deleted', async () => {
  const login = await neko.login('carol', 'viewer');
  const socket = new WebSocket(neko.socketUrl(login.token));
  await once(socket, 'open');
  const closed = once(socket, 'close');

  await neko.delete(login.id);

  await closed;
  assert.deepEqual(await neko.sessions(), []);
});

test('the controls are given, taken and reset, and their holder is told', async () => {
  const driver = await neko.login('driver', 'controller');
  const owner = await neko.login('owner', 'owner');

  await neko.giveControl(driver.id);
  assert.deepEqual(await neko.controlStatus(), { has_host: true, host_id: driver.id });
  await neko.takeControl(owner.token);
  assert.deepEqual(await neko.controlStatus(), { has_host: true, host_id: owner.id });
  await neko.resetControl();
  assert.equal((await neko.controlStatus()).has_host, false);

  await Promise.all([driver, owner].map(({ token }) => neko.logout(token)));
});

test('a refusal says what was asked and what neko answered', async () => {
  const stranger = new NekoClient({ baseUrl, adminPassword: 'wrong' });

  const failure = await failureOf(stranger.login('eve', 'viewer'));

  assert.equal(failure.code, 'NEKO_REFUSED');
  assert.match(failure.message, /POST \/api\/login with 401/);
  assert.notInclude(failure.message, 'wrong');
});

test('a neko that is not there is unreachable', async () => {
  const nobody = new NekoClient({ baseUrl: 'http://127.0.0.1:9', adminPassword: ADMIN_PASSWORD });

  assert.equal((await failureOf(nobody.screenshot())).code, 'NEKO_UNREACHABLE');
});

test('a login that keeps more than its role may have is refused and logged out', async () => {
  const paths: string[] = [];
  await using fake = await serve((request, response) => {
    paths.push(request.url ?? '');
    const profile = { ...profileOf('owner'), name: 'eve' };
    const state = { is_connected: false, is_watching: false };
    response.end(JSON.stringify({ id: 'eve-1', token: 'secret-token', profile, state }));
  });
  const liar = new NekoClient({ baseUrl: fake.url, adminPassword: ADMIN_PASSWORD });

  const failure = await failureOf(liar.login('eve', 'viewer'));

  assert.equal(failure.code, 'NEKO_REFUSED');
  assert.match(failure.message, /is_admin, can_host, can_access_clipboard differ/);
  assert.equal(paths.at(-1), '/api/logout');
});

test('an answer without end is cut off', async () => {
  await using fake = await serve((_request, response) => {
    const chunk = Buffer.alloc(1024 * 1024);
    const pour = (): void => {
      while (!response.destroyed && response.write(chunk));
      if (!response.destroyed) response.once('drain', pour);
    };
    pour();
  });
  const flood = new NekoClient({ baseUrl: fake.url, adminPassword: ADMIN_PASSWORD });

  const failure = await failureOf(flood.screenshot());

  assert.equal(failure.code, 'NEKO_REFUSED');
  assert.match(failure.message, /longer than/);
});

test('an answer that is not JSON is refused', async () => {
  await using fake = await serve((_request, response) => response.end('<html>'));
  const proxy = new NekoClient({ baseUrl: fake.url, adminPassword: ADMIN_PASSWORD });

  assert.equal((await failureOf(proxy.sessions())).code, 'NEKO_REFUSED');
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<GatewayError> {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('it did not fail');
}
