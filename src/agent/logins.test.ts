import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { test } from 'vitest';
import { FakeNeko } from '../../test/harness/fake-neko.ts';
import { temporaryFolder } from '../../test/harness/folder.ts';
import { closeOf, nextMessage, openSocketPair } from '../../test/harness/socket-pair.ts';
import { GatewayError } from '../errors.ts';
import type { LoginOrder, LoginReport } from '../protocol/login.ts';
import { clientSocket } from '../signaling/relay.ts';
import { textOf } from '../websocket/frames.ts';
import { MediaDesk } from './media.ts';
import { LoginTable, type LoginHost } from './logins.ts';

const SESSION = 's-1';
const LONG_MS = 60_000;

const VIEWER = { address: '127.0.0.1' };

/** A table of logins at one session's neko, and what it reports. */
async function openTable({ graceMs = LONG_MS }: { graceMs?: number } = {}) {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const neko = opening.use(await FakeNeko.start(folder.path));
  const reports: LoginReport[] = [];
  const media: string[] = [];
  let isRunning = true;
  let isKilled = false;
  const make = (stack: AsyncDisposableStack, host: LoginHost): LoginTable => {
    const table = new LoginTable({
      graceMs,
      hostOf: () => {
        if (isRunning) return host;
        throw new GatewayError('SESSION_NOT_RUNNING', 'not now');
      },
      onReport: (report) => reports.push(report),
      media: new MediaDesk({ addresses: [], mediaOf: () => undefined, send: (type) => void media.push(type) }),
      log: pino({ level: 'silent' }),
    });
    stack.defer(() => table.stop(new GatewayError('SHUTTING_DOWN', 'the test is over')));
    return table;
  };
  const logout = (token: string): Promise<void> => (isKilled ? Promise.resolve() : neko.neko.logout(token));
  const table = make(opening, { baseUrl: neko.baseUrl, folder: folder.path, neko: { ...neko.neko, logout } });
  const owned = opening.move();
  return {
    neko,
    folder: folder.path,
    reports,
    /** What the gateway was told of its logins' media. */
    media,
    table,
    /** The next agent's table, which knows nothing but what is on disk; the first one does nothing any more. */
    restart: () => {
      isKilled = true;
      return make(owned, neko);
    },
    breakSession: () => (isRunning = false),
    owned,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Opened = Awaited<ReturnType<typeof openTable>>;

function orderOf(changes: Partial<LoginOrder> = {}): LoginOrder {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  return {
    loginId: randomUUID(),
    accessId: 'a-1',
    role: 'controller',
    label: 'ann',
    expiresAt,
    client: 'nekogate',
    ...changes,
  };
}

/** One client's end of a tunnel, and what it hears. */
async function dial({ owned }: Opened) {
  const pair = owned.use(await openSocketPair());
  const client = clientSocket(pair.accepted);
  pair.accepted.pause();
  const frames: { event: string; payload: Record<string, unknown> }[] = [];
  pair.dialled.on('message', (bytes) => frames.push(JSON.parse(textOf(bytes))));
  const until = async (count: number): Promise<void> => {
    while (frames.length < count) await once(pair.dialled, 'message');
  };
  return { client, socket: pair.dialled, frames, until, closed: closeOf(pair.dialled) };
}

async function enter(opened: Opened, order: LoginOrder, table = opened.table) {
  const client = await dial(opened);
  await table.attach(SESSION, order, client.client, VIEWER);
  await client.until(2);
  return client;
}

function lostOf({ reports }: Opened): string[] {
  return reports.map(({ state }) => state);
}

async function untilLost({ table }: Opened, count = 1): Promise<void> {
  while (table.listDetached().length !== count) await new Promise((resolve) => setImmediate(resolve));
}

test('a client of ours is told its login before anything else', async () => {
  await using opened = await openTable();
  const order = orderOf();

  const { frames } = await enter(opened, order);

  assert.deepEqual(frames[0], {
    event: 'gateway/login',
    payload: { loginId: order.loginId, role: 'controller', resumed: false, graceMs: LONG_MS },
  });
  assert.equal(frames[1]?.event, 'system/init');
});

test('a client that only knows neko hears neko alone', async () => {
  await using opened = await openTable();
  const client = await dial(opened);

  await opened.table.attach(SESSION, orderOf({ client: 'neko' }), client.client, VIEWER);
  await client.until(1);

  assert.equal(client.frames[0]?.event, 'system/init');
});

test.each([
  ['left', 1000, 'CLIENT_LEFT'],
  ['was revoked', 4403, 'ACCESS_REVOKED'],
  ['was kicked', 4410, 'KICKED'],
  ['was too slow', 4408, 'CLIENT_SLOW'],
  ['goes for a reason that nobody knows yet', 4999, 'SOMETHING_NEW'],
])("a client that %s is logged out at once, and neko's socket closed as leaving", async (_how, code, reason) => {
  await using opened = await openTable();
  const client = await enter(opened, orderOf());

  client.socket.close(code, reason);
  await opened.neko.until(({ logins }) => logins.size === 0);

  assert.deepEqual(opened.neko.story.slice(-2), ['closed token-1 with 1000', 'logout token-1']);
  assert.equal(opened.table.count, 0);
  assert.deepEqual(opened.reports, []);
});

test.each([
  ['was lost', 4499, 'CLIENT_LOST'],
  ['was silent', 4408, 'CLIENT_SILENT'],
  ['lost its gateway', 4503, 'SHUTTING_DOWN'],
  ['went on elsewhere', 4409, 'LOGIN_RESUMED'],
  ['has a broken tunnel', undefined, ''],
])('a client that %s comes back to the same login: neko never saw it go', async (_how, code, reason) => {
  await using opened = await openTable();
  const order = orderOf();
  const client = await enter(opened, order);

  if (code === undefined) client.socket.terminate();
  else client.socket.close(code, reason);
  await untilLost(opened);
  const back = await enter(opened, order);

  assert.partialDeepStrictEqual(back.frames, [
    { event: 'gateway/login', payload: { resumed: true } },
    { event: 'system/init', payload: { session_id: 'id-of-token-1' } },
  ]);
  assert.deepEqual(opened.neko.story, ['login token-1', 'connected token-1', 'connected token-1']);
  assert.deepEqual(lostOf(opened), ['lost', 'live']);
  const heard = nextMessage(await opened.neko.socketOf('token-1'));
  back.socket.send('{"event":"client/heartbeat"}');
  assert.deepEqual(await heard, { event: 'client/heartbeat' });
});

test('a lost client that does not come back is logged out after the grace', async () => {
  await using opened = await openTable({ graceMs: 50 });
  const client = await enter(opened, orderOf());

  client.socket.terminate();
  await opened.neko.until(({ logins }) => logins.size === 0);

  assert.deepEqual(opened.neko.story.slice(-2), ['closed token-1 with 1000', 'logout token-1']);
  assert.deepEqual(lostOf(opened), ['lost', 'ended']);
});

test('a lost client of a paused session is waited for until it goes on, and for the grace from then', async () => {
  await using opened = await openTable({ graceMs: 50 });
  const client = await enter(opened, orderOf());
  opened.table.setPaused(SESSION, true);
  client.socket.terminate();
  await untilLost(opened);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(opened.neko.logins.size, 1);

  opened.table.setPaused(SESSION, false);
  await opened.neko.until(({ logins }) => logins.size === 0);

  // Told anew with the time that is left.
  assert.deepEqual(lostOf(opened), ['lost', 'lost', 'ended']);
});

test('a client that comes back while its old connection looks alive takes its place', async () => {
  await using opened = await openTable();
  const order = orderOf();
  const old = await enter(opened, order);

  const back = await enter(opened, order);

  assert.deepEqual(await old.closed, { code: 4409, reason: 'LOGIN_RESUMED' });
  assert.partialDeepStrictEqual(old.frames.at(-1), { event: 'gateway/error', payload: { code: 'LOGIN_RESUMED' } });
  assert.equal(back.frames[0]?.payload['resumed'], true);
  assert.equal(opened.neko.logins.size, 1);
  assert.deepEqual(opened.reports, []);
});

test('of many that come for one login at once the last keeps it, and all were one login at neko', async () => {
  await using opened = await openTable();
  const order = orderOf();
  const clients = await Promise.all(Array.from({ length: 8 }, () => dial(opened)));

  await Promise.all(clients.map(({ client }) => opened.table.attach(SESSION, order, client, VIEWER)));

  const [last, ...others] = clients.toReversed();
  for (const other of others) assert.equal((await other.closed).reason, 'LOGIN_RESUMED');
  assert.equal(last?.socket.readyState, last?.socket.OPEN);
  assert.equal(opened.neko.logins.size, 1);
});

test('a login is only resumed with the access that it was made with', async () => {
  await using opened = await openTable();
  const order = orderOf();
  const own = await enter(opened, order);
  const thief = await dial(opened);

  const attempt = opened.table.attach(SESSION, { ...order, accessId: 'a-2' }, thief.client, VIEWER);

  await assert.rejects(attempt, { code: 'FORBIDDEN' });
  assert.deepEqual(await thief.closed, { code: 4403, reason: 'FORBIDDEN' });
  assert.equal(own.socket.readyState, own.socket.OPEN);
});

test('a login that has ended is made anew under the id that its client remembers', async () => {
  await using opened = await openTable();
  const order = orderOf();
  const client = await enter(opened, order);
  client.socket.close(1000);
  await opened.neko.until(({ logins }) => logins.size === 0);

  const back = await enter(opened, order);

  assert.partialDeepStrictEqual(back.frames[0]?.payload, { loginId: order.loginId, resumed: false });
  assert.deepEqual([...opened.neko.logins.values()], [`ann-${order.loginId.slice(0, 8)} as controller`]);
});

test('a login that neko threw out while its client was lost is made anew', async () => {
  await using opened = await openTable();
  const order = orderOf();
  const client = await enter(opened, order);
  client.socket.terminate();
  await untilLost(opened);

  await opened.neko.neko.logout('token-1');
  await untilLost(opened, 0);
  const back = await enter(opened, order);

  assert.equal(back.frames[0]?.payload['resumed'], false);
  assert.deepEqual([...opened.neko.logins.keys()], ['token-2']);
});

test.each([
  ['lost', (client: Awaited<ReturnType<typeof dial>>) => client.socket.terminate()],
  ['live', () => undefined],
])('revoking an access ends its %s logins, and nobody else', async (_state, change) => {
  await using opened = await openTable();
  const client = await enter(opened, orderOf({ accessId: 'a-1' }));
  const other = await enter(opened, orderOf({ accessId: 'a-2' }));
  change(client);

  await opened.table.end({ sessionId: SESSION, accessId: 'a-1' }, new GatewayError('ACCESS_REVOKED', 'revoked'));

  assert.deepEqual([...opened.neko.logins.keys()], ['token-2']);
  assert.equal(other.socket.readyState, other.socket.OPEN);
  await opened.table.end({ sessionId: 's-2' }, new GatewayError('KICKED', 'another session'));
  assert.equal(opened.neko.logins.size, 1);
});

test('a login that is ended while it is being made is logged out, and its client told', async () => {
  await using opened = await openTable();
  const answered = Promise.withResolvers<void>();
  opened.neko.beforeLogin = () => answered.promise;
  const client = await dial(opened);
  const attached = opened.table.attach(SESSION, orderOf(), client.client, VIEWER);

  const ended = opened.table.end({ sessionId: SESSION }, new GatewayError('ACCESS_REVOKED', 'revoked'));
  answered.resolve();

  await assert.rejects(attached, { code: 'ACCESS_REVOKED' });
  await ended;
  assert.deepEqual(await client.closed, { code: 4403, reason: 'ACCESS_REVOKED' });
  assert.equal(opened.neko.logins.size, 0);
});

test('a login that is ended while its client comes back does not come back', async () => {
  await using opened = await openTable();
  const order = orderOf();
  (await enter(opened, order)).socket.terminate();
  await untilLost(opened);
  opened.neko.isMute = true;
  const client = await dial(opened);
  const attached = opened.table.attach(SESSION, order, client.client, VIEWER);
  await opened.neko.until(({ story }) => story.filter((line) => line.startsWith('connected')).length === 2);

  await opened.table.end({ sessionId: SESSION, loginId: order.loginId }, new GatewayError('KICKED', 'kicked'));

  await assert.rejects(attached);
  assert.notEqual((await client.closed).code, 1000);
  assert.equal(opened.neko.logins.size, 0);
  assert.equal(opened.table.count, 0);
});

test('a client that was gone before its login was made leaves none behind when it left, and one that waits when it was lost', async () => {
  await using opened = await openTable();
  const left = await dial(opened);
  const lost = await dial(opened);
  left.client.socket.resume();
  left.socket.close(1000);
  lost.socket.terminate();
  await Promise.all([left.client.closed, lost.client.closed]);

  await opened.table.attach(SESSION, orderOf(), left.client, VIEWER);
  await opened.table.attach(SESSION, orderOf(), lost.client, VIEWER);
  await opened.neko.until(({ logins }) => logins.size === 1);

  await untilLost(opened);
  assert.deepEqual([...opened.neko.logins.keys()], ['token-2']);
});

test('what a streamer still says to a login that has ended is offered to nobody', async () => {
  await using opened = await openTable();
  const { neko, media, table } = opened;
  const client = await enter(opened, orderOf());
  const atNeko = await neko.socketOf('token-1');
  const offer = (ufrag: string): void =>
    atNeko.send(JSON.stringify({ event: 'signal/provide', payload: { sdp: `v=0\na=ice-ufrag:${ufrag}\n` } }));
  offer('one1');
  await client.until(3);
  // It has not heard yet that its client leaves.
  atNeko.pause();

  client.socket.close(1000, 'CLIENT_LEFT');
  while (table.count > 0) await new Promise((resolve) => setImmediate(resolve));
  offer('two2');
  atNeko.resume();
  await neko.until(({ logins }) => logins.size === 0);

  assert.deepEqual(media, ['media.offered', 'media.withdrawn']);
});

test('an access that expires ends its login, a lost one too', async () => {
  await using opened = await openTable();
  const expiresAt = new Date(Date.now() + 300).toISOString();
  const live = await enter(opened, orderOf({ expiresAt }));
  const lost = await enter(opened, orderOf({ expiresAt }));
  lost.socket.terminate();

  assert.deepEqual(await live.closed, { code: 4401, reason: 'ACCESS_EXPIRED' });
  await opened.neko.until(({ logins }) => logins.size === 0);
});

test('a client whose streamer dies is told so, and its login is gone', async () => {
  await using opened = await openTable();
  const client = await enter(opened, orderOf());

  (await opened.neko.socketOf('token-1')).terminate();

  assert.deepEqual(await client.closed, { code: 4502, reason: 'STREAMER_LOST' });
  await opened.neko.until(({ logins }) => logins.size === 0);
  assert.equal(opened.table.count, 0);
});

test('a client whose login neko refuses is told so', async () => {
  await using opened = await openTable();
  opened.neko.beforeLogin = () => Promise.reject(new GatewayError('NEKO_REFUSED', 'locked'));
  const client = await dial(opened);

  await assert.rejects(opened.table.attach(SESSION, orderOf(), client.client, VIEWER), { code: 'NEKO_REFUSED' });

  assert.deepEqual(await client.closed, { code: 4502, reason: 'NEKO_REFUSED' });
  assert.equal(opened.table.count, 0);
});

test('nobody joins a session that is not running, and its logins end with it', async () => {
  await using opened = await openTable();
  const client = await enter(opened, orderOf());
  opened.breakSession();

  await opened.table.endSession(SESSION, new GatewayError('SESSION_ENDED', 'stopped'));

  assert.deepEqual(await client.closed, { code: 4411, reason: 'SESSION_ENDED' });
  const late = await dial(opened);
  await assert.rejects(opened.table.attach(SESSION, orderOf(), late.client, VIEWER), { code: 'SESSION_NOT_RUNNING' });
  assert.deepEqual(await late.closed, { code: 4412, reason: 'SESSION_NOT_RUNNING' });
});

test('lost clients of one access are waited for up to a number, and the one that waits longest goes first', async () => {
  await using opened = await openTable();
  for (let i = 1; i <= 18; i += 1) {
    const client = await enter(opened, orderOf());
    client.socket.terminate();
    await untilLost(opened, Math.min(i, 16));
  }
  await opened.neko.until(({ logins }) => logins.size === 16);

  assert.deepEqual([...opened.neko.logins.keys()].slice(0, 2), ['token-3', 'token-4']);
});

test('HTTP calls and connections of one client share a login; without either it ends after the grace', async () => {
  await using opened = await openTable({ graceMs: 100 });
  const order = orderOf({ client: 'neko' });
  const [one, two] = await Promise.all([
    opened.table.getOrCreate(SESSION, order),
    opened.table.getOrCreate(SESSION, order),
  ]);
  assert.equal(one.token, 'token-1');
  assert.equal(two, one);

  const client = await dial(opened);
  await opened.table.attach(SESSION, order, client.client, VIEWER);
  assert.equal((await opened.table.getOrCreate(SESSION, order)).token, 'token-1');
  client.socket.terminate();
  await opened.neko.until(({ logins }) => logins.size === 0);

  await opened.table.getOrCreate(SESSION, order);
  await opened.neko.until(({ logins }) => logins.size === 0);
  assert.equal(opened.neko.story.at(-1), 'logout token-2');
});

test('the next agent takes up the logins of one that was killed, and ends what nobody knows', async () => {
  await using opened = await openTable();
  const order = orderOf();
  await enter(opened, order);
  await opened.neko.neko.login('stranger', 'owner');
  const file = JSON.parse(await readUntil(join(opened.folder, 'logins.json'), /token-1/));
  assert.equal((await stat(join(opened.folder, 'logins.json'))).mode & 0o777, 0o600);
  assert.partialDeepStrictEqual(file, [{ loginId: order.loginId, neko: { token: 'token-1' } }]);
  const next = opened.restart();

  await next.adopt(SESSION, opened.neko);

  assert.deepEqual([...opened.neko.logins.keys()], ['token-1']);
  assert.partialDeepStrictEqual(next.listDetached(), [{ loginId: order.loginId, accessId: 'a-1', state: 'lost' }]);
  const back = await enter(opened, order, next);
  assert.equal(back.frames[0]?.payload['resumed'], true);
});

test.each([
  ['has freed them meanwhile', undefined, 'token-1'],
  ['has given them to somebody else', 'token-2', 'token-2'],
])(
  'a login that had the controls when its agent was killed has them again where neko %s: %s → %s',
  async (_how, meanwhile, after) => {
    await using opened = await openTable();
    const order = orderOf();
    await enter(opened, order);
    await enter(opened, orderOf());
    opened.neko.setHost('token-1');
    await readUntil(join(opened.folder, 'logins.json'), /"isHost":true/);
    const next = opened.restart();
    opened.neko.setHost(meanwhile);

    await next.adopt(SESSION, opened.neko);
    // A round trip: what it asked for has been heard.
    await enter(opened, order, next);
    if (after === 'token-1') await opened.neko.until(({ host }) => host === after);

    assert.equal(opened.neko.host, after);
  },
);

test('logins that neko does not know any more, or that have expired, are not taken up', async () => {
  await using opened = await openTable();
  const kept = orderOf();
  await enter(opened, kept);
  const saved = JSON.parse(await readUntil(join(opened.folder, 'logins.json'), /token-1/));
  const gone = { ...saved[0], loginId: randomUUID(), neko: { id: 'x', token: 'nothing' } };
  const neko = await opened.neko.neko.login('late', 'viewer');
  const late = { ...saved[0], loginId: randomUUID(), expiresAt: new Date(0).toISOString(), neko };
  await writeFile(join(opened.folder, 'logins.json'), JSON.stringify([gone, late, ...saved]));
  const next = opened.restart();

  await next.adopt(SESSION, opened.neko);
  while (next.count > 1) await new Promise((resolve) => setImmediate(resolve));

  assert.deepEqual(
    next.listDetached().map(({ loginId }) => loginId),
    [kept.loginId],
  );
});

test('what an earlier agent wrote is not trusted: nonsense is no login', async () => {
  await using opened = await openTable();
  await writeFile(join(opened.folder, 'logins.json'), '[{"loginId":');
  const stranger = await opened.neko.neko.login('stranger', 'owner');

  await opened.table.adopt(SESSION, opened.neko);

  assert.equal(opened.table.count, 0);
  assert.equal(opened.neko.logins.has(stranger.token), false);
});

test('an agent that stops ends every login and takes no more', async () => {
  await using opened = await openTable();
  const live = await enter(opened, orderOf());
  const lost = await enter(opened, orderOf());
  lost.socket.terminate();
  await untilLost(opened);

  await opened.table.stop(new GatewayError('SHUTTING_DOWN', 'going'));

  assert.deepEqual(await live.closed, { code: 4503, reason: 'SHUTTING_DOWN' });
  assert.equal(opened.neko.logins.size, 0);
  const late = await dial(opened);
  await assert.rejects(opened.table.attach(SESSION, orderOf(), late.client, VIEWER), { code: 'SHUTTING_DOWN' });
});

async function readUntil(file: string, pattern: RegExp): Promise<string> {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (pattern.test(text)) return text;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
