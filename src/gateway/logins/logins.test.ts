import { once } from 'node:events';
import { afterEach, assert, beforeEach, describe, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import type { ScriptedAgent, Wire } from '../../../test/harness/scripted-agent.ts';
import type { LoginReport } from '../../protocol/login.ts';

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

/** A client and the agent's end of its tunnel. */
async function openLogin(access?: { token: string }) {
  const { token } = access ?? (await plane.grant(sessionId));
  const client = await plane.join(sessionId, token);
  const tunnel = await agent.nextTunnel();
  return { client, tunnel, request: tunnel.request, tunnelClosed: tunnel.closed };
}

/** What the client was told before it was closed. */
async function goodbyeOf(client: Wire) {
  const closed = await client.closed;
  const { event, payload } = JSON.parse(client.frames.at(-1) ?? '{}');
  return { ...closed, event, told: payload?.code };
}

function goodbye(code: number, reason: string) {
  return { code, reason, event: 'gateway/error', told: reason };
}

async function auditOf(action: string) {
  const { body } = await plane.call('GET', '/api/v1/audit');
  return body.audit.filter((row: { action: string }) => row.action === action);
}

describe('a client that joins', () => {
  test('talks with its desktop, every frame as it was sent', async () => {
    const access = await plane.grant(sessionId, 'viewer');
    const { client, tunnel, request } = await openLogin(access);

    assert.equal(client.socket.protocol, 'nekogate.v1');
    assert.deepInclude(request, { sessionId, kind: 'signaling' });
    assert.deepInclude(request.login, { role: 'viewer', label: 'ann' });
    tunnel.socket.send('{"event":"system/init",  "payload":{"é":"漢"}}');
    assert.equal(await client.next(), '{"event":"system/init",  "payload":{"é":"漢"}}');
    client.socket.send('{"event":"signal/request"}');
    assert.equal(await tunnel.next(), '{"event":"signal/request"}');
  });

  test('may send before its tunnel is there: nothing is lost, and the order is kept', async () => {
    await using waiting = await ControlPlane.start();
    await using late = await waiting.connectAgent({ onTunnel: 'wait' });
    const id = await waiting.startSession();
    const client = await waiting.join(id, (await waiting.grant(id)).token);
    const sent = Array.from({ length: 100 }, (_, index) => `{"event":"${index}"}`);
    for (const frame of sent) client.socket.send(frame);

    const tunnel = await late.dial((await late.nextRequest()).ticket);
    assert(typeof tunnel !== 'number');
    while (tunnel.frames.length < sent.length) await once(tunnel.socket, 'message');

    assert.deepEqual(tunnel.frames, sent);
    tunnel.socket.terminate();
  });

  test('brings its token in the subprotocol, the header or the query', async () => {
    const { token } = await plane.grant(sessionId);
    const path = `/s/${sessionId}/api/ws`;

    assert.property(await plane.dialPath(path, [], { headers: { authorization: `Bearer ${token}` } }), 'socket');
    const byQuery = await plane.dialPath(`${path}?token=${(await plane.grant(sessionId)).token}`, []);
    assert(`socket` in byQuery);
    assert.equal(byQuery.socket.protocol, '');
    assert.deepEqual(await plane.dialPath(path, [`access.${token}`]), { status: 400, code: 'BAD_REQUEST' });
    assert.deepEqual(await plane.dialPath(path, []), { status: 401, code: 'UNAUTHENTICATED' });
  });

  test('comes from this site, a named one, or no browser', async () => {
    const { token } = await plane.grant(sessionId);

    assert.property(await plane.dial(sessionId, token, { origin: plane.gateway.url }), 'socket');
    assert.deepEqual(await plane.dial(sessionId, token, { origin: 'https://evil.example' }), {
      status: 403,
      code: 'ORIGIN_REFUSED',
    });
    assert.deepEqual(await plane.dial(sessionId, token, { origin: 'null' }), { status: 403, code: 'ORIGIN_REFUSED' });
    await using named = await ControlPlane.start({
      corsOrigins: ['https://good.example'],
      publicUrl: 'https://desk.example',
    });
    for (const origin of ['https://good.example', 'https://desk.example'])
      assert.propertyVal(await named.dial('s-none', 'wrong', { origin }), 'code', 'UNAUTHENTICATED');
  });

  test('is refused before the upgrade when it may not', async () => {
    const { id, token } = await plane.grant(sessionId);
    const other = await plane.startSession();

    assert.deepEqual(await plane.dial(sessionId, 'wrong'), { status: 401, code: 'UNAUTHENTICATED' });
    assert.deepEqual(await plane.dial(sessionId, plane.gateway.adminToken), { status: 401, code: 'UNAUTHENTICATED' });
    assert.deepEqual(await plane.dial(other, token), { status: 403, code: 'FORBIDDEN' });
    await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${id}`);
    assert.deepEqual(await plane.dial(sessionId, token), { status: 403, code: 'ACCESS_REVOKED' });
    const late = await plane.grant(sessionId);
    await plane.call('DELETE', `/api/v1/sessions/${sessionId}`);
    assert.deepEqual(await plane.dial(sessionId, late.token), { status: 410, code: 'SESSION_ENDED' });
    const early = await plane.grant(other);
    agent.drop();
    await agent.closed;
    for (;;) {
      const refusal = await plane.dial(other, early.token);
      if ('socket' in refusal) continue;
      assert.deepEqual(refusal, { status: 503, code: 'AGENT_OFFLINE' });
      break;
    }
  });

  test('is listed and counted while it is there, and audited when it comes and goes', async () => {
    const access = await plane.grant(sessionId, 'owner');
    const { client, tunnelClosed } = await openLogin(access);

    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`, { token: access.token });
    assert.equal((await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body.logins, 1);
    assert.deepInclude(body.logins[0], { accessId: access.id, label: 'ann', role: 'owner', address: '127.0.0.1' });
    client.socket.close(1000);
    await tunnelClosed;

    assert.deepEqual((await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`)).body.logins, []);
    const [opened] = await auditOf('login.opened');
    const closed = await auditOf('login.closed');
    assert.deepInclude(opened, { actor: `access:${access.id}`, target: `session:${sessionId}`, outcome: 'ok' });
    assert.equal(closed.length, 1);
    assert.deepInclude(closed[0].detail, { by: 'client', code: 'CLIENT_LEFT', loginId: body.logins[0].loginId });
    const { body: metrics } = await plane.call('GET', '/metrics');
    assert.include(metrics, 'nekogate_joins_total{outcome="ok"} 1');
    assert.include(metrics, 'nekogate_tunnel_dial_seconds_count 1');
  });

  test('beside 16 of the same access is told that these are enough, and hurts none of them', async () => {
    const { token } = await plane.grant(sessionId);
    const clients = await Promise.all(Array.from({ length: 16 }, () => plane.join(sessionId, token)));

    assert.deepEqual(await plane.dial(sessionId, token), { status: 429, code: 'LOGIN_LIMIT' });

    for (const { socket } of clients) assert.equal(socket.readyState, socket.OPEN);
    const one = await openLogin(await plane.grant(sessionId));
    one.client.socket.close();
    clients[0]?.socket.close();
    await clients[0]?.closed;
    for (;;) if ('socket' in (await plane.dial(sessionId, token))) break;
  });
});

describe('how a client goes is what its agent is told', () => {
  test.each([
    [1000, 1000, 'CLIENT_LEFT'],
    [1001, 1000, 'CLIENT_LEFT'],
    [undefined, 1000, 'CLIENT_LEFT'],
    [4000, 4499, 'CLIENT_LOST'],
  ])('closed by it with %s: %s %s', async (closeCode, code, reason) => {
    const { client, tunnelClosed } = await openLogin();

    client.socket.close(closeCode);

    assert.deepEqual(await tunnelClosed, { code, reason });
  });

  test('its connection was lost', async () => {
    const { client, tunnelClosed } = await openLogin();

    client.socket.terminate();

    assert.deepEqual(await tunnelClosed, { code: 4499, reason: 'CLIENT_LOST' });
  });

  test('a frame that is too long ends its sender alone', async () => {
    const bystander = await openLogin();
    const { client, tunnelClosed } = await openLogin();

    client.socket.send('x'.repeat(1024 * 1024 + 1));

    assert.equal((await client.closed).code, 1009);
    assert.deepEqual(await tunnelClosed, { code: 4499, reason: 'CLIENT_LOST' });
    bystander.client.socket.send('{"event":"still here"}');
    assert.equal(await bystander.tunnel.next(), '{"event":"still here"}');
  });

  test('a binary frame is a bad frame', async () => {
    const { client, tunnelClosed } = await openLogin();

    client.socket.send(Buffer.from([1, 2, 3]));

    assert.deepEqual(await goodbyeOf(client), goodbye(4400, 'BAD_FRAME'));
    assert.deepEqual(await tunnelClosed, { code: 4400, reason: 'BAD_FRAME' });
  });

  test('it reads nothing: what waits for it is limited, then it is given up', async () => {
    const { client, tunnel, tunnelClosed } = await openLogin();
    client.socket.pause();

    const frame = 'x'.repeat(1024 * 1024);
    const pour = setInterval(() => tunnel.socket.send(frame), 1);
    const closed = await tunnelClosed;
    clearInterval(pour);

    assert.deepEqual(closed, { code: 4408, reason: 'CLIENT_SLOW' });
  });

  test('it sends faster than its agent reads: it is slowed down, and nothing is lost', async () => {
    const { client, tunnel } = await openLogin();
    const sent = Array.from({ length: 64 }, (_, index) => `${index}`.padEnd(500_000, 'x'));

    tunnel.socket.pause();
    for (const frame of sent) client.socket.send(frame);
    // A whole exchange with the gateway: it has read what it wants to.
    await plane.call('GET', '/readyz');
    assert.isAbove(client.socket.bufferedAmount, 1024 * 1024);
    tunnel.socket.resume();
    while (tunnel.frames.length < sent.length) await once(tunnel.socket, 'message');

    assert.deepEqual(tunnel.frames, sent);
  });

  test('it answers no pings', async () => {
    await using quick = await ControlPlane.start({ keepAliveMs: 60 });
    await using host = await quick.connectAgent();
    const id = await quick.startSession();
    const client = await quick.join(id, (await quick.grant(id)).token);
    const { closed } = await host.nextTunnel();

    client.socket.pause();

    assert.deepEqual(await closed, { code: 4408, reason: 'CLIENT_SILENT' });
  });
});

describe('what ends a client is what it is told', () => {
  test('its access was revoked: at once, and only its own', async () => {
    const other = await openLogin();
    const access = await plane.grant(sessionId);
    const first = await openLogin(access);
    const second = await openLogin(access);

    await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${access.id}`);

    assert.deepEqual(await goodbyeOf(first.client), goodbye(4403, 'ACCESS_REVOKED'));
    assert.deepEqual(await goodbyeOf(second.client), goodbye(4403, 'ACCESS_REVOKED'));
    assert.deepEqual(await first.tunnelClosed, { code: 4403, reason: 'ACCESS_REVOKED' });
    assert.equal(other.client.socket.readyState, other.client.socket.OPEN);
  });

  test('its access was revoked in the middle of its coming in: it does not stay', async () => {
    for (let round = 0; round < 30; round += 1) {
      const access = await plane.grant(sessionId);
      const [answer] = await Promise.all([
        plane.dial(sessionId, access.token),
        plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${access.id}`),
      ]);

      const outcome = 'socket' in answer ? (await answer.closed).reason : answer.code;
      assert.equal(outcome, 'ACCESS_REVOKED');
    }
  });

  test('its access expired', async () => {
    const { client, tunnelClosed } = await openLogin(await plane.grant(sessionId, 'viewer', 1));

    assert.deepEqual(await goodbyeOf(client), goodbye(4401, 'ACCESS_EXPIRED'));
    assert.deepEqual(await tunnelClosed, { code: 4401, reason: 'ACCESS_EXPIRED' });
  });

  test('an owner kicked it, and nobody else', async () => {
    const owner = await plane.grant(sessionId, 'owner');
    const viewer = await plane.grant(sessionId, 'viewer');
    const staying = await openLogin(owner);
    const { client, request, tunnelClosed } = await openLogin(viewer);
    const path = `/api/v1/sessions/${sessionId}/logins/${request.login.loginId}`;

    assert.equal((await plane.call('DELETE', path, { token: viewer.token })).status, 403);
    assert.equal((await plane.call('DELETE', path, { token: owner.token })).status, 204);

    assert.deepEqual(await goodbyeOf(client), goodbye(4410, 'KICKED'));
    assert.deepEqual(await tunnelClosed, { code: 4410, reason: 'KICKED' });
    assert.equal(staying.client.socket.readyState, staying.client.socket.OPEN);
    assert.equal((await plane.call('DELETE', path, { token: owner.token })).status, 404);
    assert.deepInclude((await auditOf('login.kicked'))[0], { actor: `access:${owner.id}` });
  });

  test('its session was stopped', async () => {
    const { client, tunnelClosed } = await openLogin();

    await plane.call('DELETE', `/api/v1/sessions/${sessionId}`);

    assert.deepEqual(await goodbyeOf(client), goodbye(4411, 'SESSION_ENDED'));
    assert.deepEqual(await tunnelClosed, { code: 4411, reason: 'SESSION_ENDED' });
  });

  test('its session failed', async () => {
    const { client } = await openLogin();

    agent.report({ sessionId, state: 'failed', reason: { code: 'DESKTOP_FAILED', message: 'X is gone' } });

    assert.deepEqual(await goodbyeOf(client), goodbye(4411, 'SESSION_ENDED'));
    assert.include(client.frames.at(-1), 'X is gone');
  });

  test('the gateway stops', async () => {
    const { client, tunnelClosed } = await openLogin();

    await plane.gateway.stop();

    assert.deepEqual(await goodbyeOf(client), goodbye(4503, 'SHUTTING_DOWN'));
    assert.deepEqual(await tunnelClosed, { code: 4503, reason: 'SHUTTING_DOWN' });
  });

  test('its agent ended it, for a reason that goes through', async () => {
    const { client, tunnel } = await openLogin();

    tunnel.socket.close(4502, 'STREAMER_LOST');

    assert.deepEqual(await goodbyeOf(client), goodbye(4502, 'STREAMER_LOST'));
  });

  test('what its agent told it is not told a second time', async () => {
    const { client, tunnel } = await openLogin();

    tunnel.socket.send(
      '{"event":"gateway/error","payload":{"code":"NEKO_REFUSED","message":"full","retryable":false}}',
    );
    tunnel.socket.close(4502, 'NEKO_REFUSED');

    assert.deepEqual(await client.closed, { code: 4502, reason: 'NEKO_REFUSED' });
    assert.equal(client.frames.length, 1);
  });

  test('its agent was lost', async () => {
    const { client, tunnel } = await openLogin();

    tunnel.socket.terminate();

    assert.deepEqual(await goodbyeOf(client), goodbye(4503, 'AGENT_OFFLINE'));
    assert.deepInclude((await auditOf('login.closed'))[0], { actor: 'agent', outcome: 'AGENT_OFFLINE' });
  });

  test("its picture goes on while only the agent's control connection is away", async () => {
    const { client, tunnel } = await openLogin();

    agent.drop();
    await agent.closed;
    while ((await plane.call('GET', '/api/v1/agents/host-1')).body.state !== 'offline');
    tunnel.socket.send('{"event":"still here"}');

    assert.equal(await client.next(), '{"event":"still here"}');
  });
});

test('after many joins and leaves nothing is left, and each is in the audit once', async () => {
  const access = await plane.grant(sessionId);
  for (let round = 0; round < 10; round += 1) {
    const logins = [];
    for (let index = 0; index < 10; index += 1) logins.push(await openLogin(access));
    for (const [index, { client, tunnel }] of logins.entries()) {
      if (index % 3 === 0) client.socket.close(1000);
      else if (index % 3 === 1) client.socket.terminate();
      else tunnel.socket.close(4502, 'STREAMER_LOST');
    }
    await Promise.all(logins.flatMap(({ client, tunnelClosed }) => [client.closed, tunnelClosed]));
  }

  assert.deepEqual((await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`)).body.logins, []);
  const { body } = await plane.call('GET', '/api/v1/audit?limit=1000');
  const count = (action: string): number =>
    body.audit.filter((row: { action: string }) => row.action === action).length;
  assert.deepEqual([count('login.opened'), count('login.closed')], [100, 100]);
});

describe('a client that comes back', () => {
  const dialAs = (token: string, ...more: string[]) =>
    plane.dialPath(`/s/${sessionId}/api/ws`, ['nekogate.v1', `access.${token}`, ...more]);

  test('names its login, and its agent is asked for that one', async () => {
    const { id, token } = await plane.grant(sessionId);
    const loginId = crypto.randomUUID();

    assert.property(await dialAs(token, `resume.${loginId}`), 'socket');
    const { request } = await agent.nextTunnel();

    assert.deepInclude(request.login, { loginId, accessId: id, client: 'nekogate' });
    assert.isAbove(Date.parse(request.login.expiresAt), Date.now());
    assert.deepEqual(await dialAs(token, 'resume.nonsense'), { status: 400, code: 'BAD_REQUEST' });
  });

  test('takes the place of its own older connection, however many there may be', async () => {
    const access = await plane.grant(sessionId);
    const old = await openLogin(access);
    for (let i = 0; i < 15; i += 1) await openLogin(access);

    assert.property(await dialAs(access.token, `resume.${old.request.login.loginId}`), 'socket');

    assert.deepEqual(await goodbyeOf(old.client), goodbye(4409, 'LOGIN_RESUMED'));
    assert.deepEqual(await old.tunnelClosed, { code: 4409, reason: 'LOGIN_RESUMED' });
    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`);
    const same = body.logins.filter(({ loginId }: { loginId: string }) => loginId === old.request.login.loginId);
    assert.equal(same.length, 1);
  });

  test('can not take the place of somebody else', async () => {
    const { client, request } = await openLogin();
    const other = await plane.grant(sessionId);

    const answer = await dialAs(other.token, `resume.${request.login.loginId}`);

    assert.deepEqual(answer, { status: 403, code: 'FORBIDDEN' });
    assert.equal(client.socket.readyState, client.socket.OPEN);
  });

  test('and only knows neko is its access: the same login, whatever it opens', async () => {
    const { token } = await plane.grant(sessionId);
    const path = `/s/${sessionId}/api/ws?token=${token}`;
    const first = await plane.dialPath(path, []);
    assert('socket' in first);
    const { request: asked } = await agent.nextTunnel();

    assert.property(await plane.dialPath(path, []), 'socket');
    const { request } = await agent.nextTunnel();

    assert.deepInclude(request.login, { loginId: asked.login.loginId, client: 'neko' });
    assert.equal((await first.closed).reason, 'LOGIN_RESUMED');
    const other = await plane.grant(sessionId);
    await plane.dialPath(`/s/${sessionId}/api/ws?token=${other.token}`, []);
    assert.notEqual((await agent.nextTunnel()).request.login.loginId, asked.login.loginId);
  });
});

describe('a client that is waited for', () => {
  const loginsOf = async () => (await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`)).body.logins;
  const lose = (accessId: string, loginId: string = crypto.randomUUID()): LoginReport => {
    const since = new Date().toISOString();
    return { sessionId, loginId, accessId, role: 'viewer', label: 'ann', since, state: 'lost', leftMs: 30_000 };
  };
  const until = async (ask: () => Promise<unknown[]>, count: number): Promise<unknown[]> => {
    for (;;) {
      const answer = await ask();
      if (answer.length === count) return answer;
    }
  };

  test('is listed as lost until it is back or gone', async () => {
    const { id } = await plane.grant(sessionId);
    const report = lose(id);

    agent.send('login.updated', report);
    const [listed] = await until(loginsOf, 1);
    agent.send('login.updated', { ...report, state: 'ended' });
    await until(loginsOf, 0);

    assert.deepInclude(listed, { loginId: report.loginId, accessId: id, label: 'ann', state: 'lost' });
  });

  test('can be kicked: its agent ends it', async () => {
    agent.commands.length = 0;
    const report = lose((await plane.grant(sessionId)).id);
    agent.send('login.updated', report);
    await until(loginsOf, 1);

    const { status } = await plane.call('DELETE', `/api/v1/sessions/${sessionId}/logins/${report.loginId}`);

    assert.equal(status, 204);
    const { command } = await agent.nextCommand();
    assert.deepEqual(command, { action: 'end_logins', sessionId, of: { loginId: report.loginId }, code: 'KICKED' });
  });

  test('ends with its access: its agent is told', async () => {
    agent.commands.length = 0;
    const { id } = await plane.grant(sessionId);

    await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${id}`);

    const { command } = await agent.nextCommand();
    assert.deepEqual(command, { action: 'end_logins', sessionId, of: { accessId: id }, code: 'ACCESS_REVOKED' });
  });

  test('ends when its agent comes back after its access was revoked, expired or never was, and no other', async () => {
    const valid = await plane.grant(sessionId);
    const revoked = await plane.grant(sessionId);
    const expired = await plane.grant(sessionId, 'viewer', 1);
    for (;;) {
      const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/join`, { token: expired.token });
      if (body.code === 'ACCESS_EXPIRED') break;
    }
    agent.drop();
    await agent.closed;
    await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${revoked.id}`);
    const logins = [valid.id, revoked.id, expired.id, 'a-unheard-of'].map((accessId) => lose(accessId));
    const { agentKey, agentId } = agent;

    await using back = await plane.connectAgent({
      agentKey,
      agentId,
      sessions: [{ sessionId, state: 'running' }],
      hello: { logins },
    });
    const ended = [await back.nextCommand(), await back.nextCommand(), await back.nextCommand()];

    assert.deepEqual(
      ended.map(({ command }) => command.action === 'end_logins' && command.of),
      [{ accessId: revoked.id }, { accessId: expired.id }, { accessId: 'a-unheard-of' }],
    );
    assert.equal((await loginsOf()).length, 4);
  });

  test("of another host is not this session's", async () => {
    await using other = await plane.connectAgent({ agentId: 'host-2' });
    other.send('login.updated', lose('a-1'));
    other.heartbeat();
    agent.send('login.updated', lose('a-2'));

    const listed = await until(loginsOf, 1);

    assert.deepInclude(listed[0], { accessId: 'a-2' });
  });
});
