import { once } from 'node:events';
import { assert, test } from 'vitest';
import { WebSocket } from 'ws';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { webSocketUrl, type ScriptedAgent } from '../../../test/harness/scripted-agent.ts';
import { closeOf } from '../../../test/harness/socket-pair.ts';

/** Dials a spare as an agent does; resolves with the open socket, or the status of the refusal. */
async function dialSpare(plane: ControlPlane, agentId: string, agentKey: string): Promise<WebSocket | number> {
  const url = `${webSocketUrl(plane.gateway.url)}/api/v1/agents/spare?agent_id=${agentId}`;
  const socket = new WebSocket(url, { headers: { 'x-agent-api-key': agentKey } });
  socket.on('error', () => undefined);
  const refused = once(socket, 'unexpected-response').then(([, response]) => Number(response.statusCode));
  refused.catch(() => undefined);
  return Promise.race([once(socket, 'open').then(() => socket), refused]);
}

async function openSpare(plane: ControlPlane, { agentId, agentKey }: ScriptedAgent): Promise<WebSocket> {
  const spare = await dialSpare(plane, agentId, agentKey);
  assert(typeof spare !== 'number');
  return spare;
}

async function openWaiting(plane: ControlPlane, agent: ScriptedAgent) {
  const sessionId = await plane.startSession();
  const { token } = await plane.grant(sessionId);
  const client = await plane.join(sessionId, token);
  return { client, request: await agent.nextRequest() };
}

test('a spare becomes the tunnel whose ticket it shows, and no frame that comes with it is lost', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const spare = await openSpare(plane, agent);
  const { client, request } = await openWaiting(plane, agent);

  spare.send(JSON.stringify({ ticket: request.ticket }));
  for (const frame of ['one', 'two', 'three']) spare.send(`{"event":"${frame}"}`);

  const heard = [await client.next(), await client.next(), await client.next()];
  assert.deepEqual(heard, ['{"event":"one"}', '{"event":"two"}', '{"event":"three"}']);
  client.socket.send('{"event":"back"}');
  assert.equal(String((await once(spare, 'message'))[0]), '{"event":"back"}');
  assert.equal(await agent.dial(request.ticket), 403);
  spare.terminate();
});

test.each([
  ['another ticket', () => JSON.stringify({ ticket: 'f'.repeat(64) })],
  ['no ticket', () => '{}'],
  ['no JSON', () => 'ticket'],
])('a spare that shows %s is closed', async (_, frame) => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const spare = await openSpare(plane, agent);
  const closed = closeOf(spare);

  spare.send(frame());

  assert.deepEqual(await closed, { code: 4403, reason: 'TICKET_REFUSED' });
});

test('a ticket is worth nothing on another agent’s spare', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const { client, request } = await openWaiting(plane, agent);
  await using thief = await plane.connectAgent({ agentId: 'host-2' });
  const spare = await openSpare(plane, thief);
  const closed = closeOf(spare);

  spare.send(JSON.stringify({ ticket: request.ticket }));

  assert.equal((await closed).reason, 'TICKET_REFUSED');
  const own = await openSpare(plane, agent);
  own.send(JSON.stringify({ ticket: request.ticket }));
  own.send('{"event":"mine"}');
  assert.equal(await client.next(), '{"event":"mine"}');
  own.terminate();
});

test('spares are for agents that are here, and eight of each at most', async () => {
  await using plane = await ControlPlane.start();
  const strangerKey = await plane.enroll('stranger');
  await using agent = await plane.connectAgent();

  assert.equal(await dialSpare(plane, 'stranger', strangerKey), 503);
  assert.equal(await dialSpare(plane, agent.agentId, strangerKey), 401);
  assert.equal(await dialSpare(plane, 'no id', strangerKey), 400);
  const spares = await Promise.all(Array.from({ length: 8 }, () => openSpare(plane, agent)));
  assert.equal(await dialSpare(plane, agent.agentId, agent.agentKey), 429);

  const closed = Promise.all(spares.map(closeOf));
  agent.drop();
  assert.equal((await closed).length, 8);
});
