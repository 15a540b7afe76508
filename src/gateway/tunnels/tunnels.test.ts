import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import type { ScriptedAgent, Wire } from '../../../test/harness/scripted-agent.ts';

/** A client that waits for its tunnel, and what its agent was asked. */
async function openWaiting(plane: ControlPlane, agent: ScriptedAgent) {
  const sessionId = await plane.startSession();
  const { id, token } = await plane.grant(sessionId);
  const client = await plane.join(sessionId, token);
  return { sessionId, accessId: id, client, request: await agent.nextRequest() };
}

async function goodbyeOf(client: Wire): Promise<string> {
  const { code, reason } = await client.closed;
  return `${code} ${reason} ${JSON.parse(client.frames.at(-1) ?? '{}').payload?.code}`;
}

test('a ticket opens one tunnel, once, for the agent that was asked', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const strangerKey = await plane.enroll('stranger');
  const { client, request } = await openWaiting(plane, agent);

  assert.equal(await agent.dial('f'.repeat(64)), 403);
  assert.equal(await agent.dial(request.ticket, strangerKey), 401);
  assert.equal(await agent.dial(request.ticket, 'f'.repeat(64)), 401);
  const both = await Promise.all([agent.dial(request.ticket), agent.dial(request.ticket)]);
  const [tunnel] = both.filter((answer) => typeof answer !== 'number');

  assert.equal(both.filter((answer) => answer === 403).length, 1);
  assert.equal(await agent.dial(request.ticket), 403);
  tunnel?.socket.send('{"event":"hello"}');
  assert.equal(await client.next(), '{"event":"hello"}');
  tunnel?.socket.terminate();
});

test('an agent that does not dial in time: the client is told, and the ticket is worth nothing', async () => {
  await using plane = await ControlPlane.start({ tunnelDialMs: 200 });
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request } = await openWaiting(plane, agent);

  assert.equal(await goodbyeOf(client), '4504 TUNNEL_TIMEOUT TUNNEL_TIMEOUT');
  assert.equal(await agent.dial(request.ticket), 403);
});

test('an agent that refuses: the client is told why', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request } = await openWaiting(plane, agent);

  agent.send('tunnel.refused', {
    tunnelId: request.tunnelId,
    error: { code: 'SESSION_NOT_RUNNING', message: 'restarting' },
  });
  agent.send('tunnel.refused', { tunnelId: crypto.randomUUID(), error: { code: 'ODD', message: 'of no tunnel' } });

  assert.equal(await goodbyeOf(client), '4412 SESSION_NOT_RUNNING SESSION_NOT_RUNNING');
  assert.equal(await agent.dial(request.ticket), 403);
});

test('an agent that is lost before it dialled: the client is told', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client } = await openWaiting(plane, agent);

  agent.drop();

  assert.equal(await goodbyeOf(client), '4503 AGENT_OFFLINE AGENT_OFFLINE');
});

test('a client that is revoked while it waits: its ticket is worth nothing', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request, sessionId, accessId } = await openWaiting(plane, agent);

  await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${accessId}`);

  assert.equal(await goodbyeOf(client), '4403 ACCESS_REVOKED ACCESS_REVOKED');
  assert.equal(await agent.dial(request.ticket), 403);
});

test('a client that was lost while it waited: its agent gets no tunnel, or learns it as soon as it has one', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request } = await openWaiting(plane, agent);
  client.socket.terminate();
  await client.closed;

  const tunnel = await agent.dial(request.ticket);

  // Whether the gateway has heard of it by then is the kernel's business.
  assert.include([403, 4499], typeof tunnel === 'number' ? tunnel : (await tunnel.closed).code);
});

test('an agent that dials and breaks off at once: the client is told, and nobody else is hurt', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request } = await openWaiting(plane, agent);
  const bystander = await openWaiting(plane, agent);

  const tunnel = await agent.dial(request.ticket);
  assert(typeof tunnel !== 'number');
  tunnel.socket.terminate();

  assert.equal(await goodbyeOf(client), '4503 AGENT_OFFLINE AGENT_OFFLINE');
  const other = await agent.dial(bystander.request.ticket);
  assert(typeof other !== 'number');
  other.socket.send('{"event":"hello"}');
  assert.equal(await bystander.client.next(), '{"event":"hello"}');
  other.socket.terminate();
});

test('a frame of the desktop that is too long ends that client alone, and says so', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request } = await openWaiting(plane, agent);
  const tunnel = await agent.dial(request.ticket);
  assert(typeof tunnel !== 'number');

  tunnel.socket.send('x'.repeat(1024 * 1024 + 1));

  assert.equal(await goodbyeOf(client), '1009 MESSAGE_TOO_BIG MESSAGE_TOO_BIG');
});
