import { afterEach, assert, beforeEach, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import type { ScriptedAgent, Wire } from '../../../test/harness/scripted-agent.ts';

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

test('each stream of a token is a login of its own, and neither ends the other', async () => {
  const { token } = await plane.grant(sessionId);
  const [one, other] = [await open(token), await open(token)];

  const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/logins`);
  assert.deepEqual(
    body.logins.map(({ client, state }: Record<string, string>) => [client, state]),
    [
      ['sandbox-agent', 'live'],
      ['sandbox-agent', 'live'],
    ],
  );
  assert.notEqual(one.tunnel.request.login.loginId, other.tunnel.request.login.loginId);
  one.tunnel.socket.send('{"event":"signal/candidate",  "payload":{"é":"漢"}}');
  assert.equal(await one.client.next(), '{"event":"signal/candidate",  "payload":{"é":"漢"}}');
  other.client.socket.send('{"event":"signal/answer",  "payload":{"sdp":""}}');
  assert.equal(await other.tunnel.next(), '{"event":"signal/answer",  "payload":{"sdp":""}}');
});

test('however it is closed, its client has left', async () => {
  const { token } = await plane.grant(sessionId);
  const { client, tunnel } = await open(token);

  client.socket.terminate();

  assert.deepEqual(await tunnel.closed, { code: 1000, reason: 'CLIENT_LEFT' });
});

test('why it ends is told in one frame, in the words of its server and in those that its client hears', async () => {
  const { token } = await plane.grant(sessionId);
  const { client, tunnel } = await open(token);

  tunnel.socket.send(
    '{"event":"gateway/error","payload":{"code":"STREAMER_LOST","message":"it is gone","retryable":true}}',
  );
  tunnel.socket.close(4502, 'STREAMER_LOST');

  assert.deepEqual(await client.closed, { code: 4502, reason: 'STREAMER_LOST' });
  assert.lengthOf(client.frames, 1);
  const frame = JSON.parse(client.frames[0] ?? '');
  assert.include(frame, { type: 'error', event: 'system/disconnect' });
  assert.match(frame.message, /STREAMER_LOST/);
  assert.deepEqual(frame.payload, { message: frame.message });
});

test('its token stands in the query as access_token, and nothing else there counts', async () => {
  const { token } = await plane.grant(sessionId);
  const path = `/s/${sessionId}/v1/desktop/stream/signaling`;

  assert.deepEqual(await plane.dialPath(path, []), { status: 401, code: 'token_invalid' });
  assert.deepEqual(await plane.dialPath(`${path}?token=${token}`, []), { status: 401, code: 'token_invalid' });
  assert.deepEqual(await plane.dialPath(`${path}?access_token=${token}`, [], { origin: 'https://evil.example' }), {
    status: 403,
    code: 'permission_denied',
  });
  await plane.call('POST', `/api/v1/sessions/${sessionId}/pause`);
  assert.deepEqual(await plane.dialPath(`${path}?access_token=${token}`, []), {
    status: 409,
    code: 'desktop_runtime_inactive',
  });
});

async function open(
  token: string,
): Promise<{ client: Wire; tunnel: Awaited<ReturnType<ScriptedAgent['nextTunnel']>> }> {
  const path = `/s/${sessionId}/v1/desktop/stream/signaling?access_token=${token}`;
  const client = await plane.dialPath(path, []);
  assert('socket' in client);
  return { client, tunnel: await agent.nextTunnel() };
}
