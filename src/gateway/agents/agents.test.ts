import { once } from 'node:events';
import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { until } from '../../../test/harness/house.ts';
import { closingOf, ScriptedAgent } from '../../../test/harness/scripted-agent.ts';

test('an agent is enrolled once, and its key is shown once', async () => {
  await using plane = await ControlPlane.start();

  const enrolled = await plane.call('POST', '/api/v1/agents', { body: { id: 'host-1', label: 'in the cellar' } });

  assert.equal(enrolled.status, 201);
  assert.match(enrolled.body.key, /^[0-9a-f]{64}$/);
  const again = await plane.call('POST', '/api/v1/agents', { body: { id: 'host-1' } });
  assert.equal(again.body.code, 'CONFLICT');
  const shown = await plane.call('GET', '/api/v1/agents/host-1');
  assert.deepInclude(shown.body, { id: 'host-1', label: 'in the cellar', state: 'offline', lastSeenAt: null });
  assert.notInclude(JSON.stringify(shown.body), enrolled.body.key);
});

test('an agent that says hello is online, and what it is can be seen', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();

  const { body } = await plane.call('GET', '/api/v1/agents');

  assert.deepInclude(body.agents[0], { id: 'host-1', state: 'online', hostname: 'nowhere', maxSessions: 4 });
  agent.drop();
  await agent.closed;
});

test('only the right key opens the door, and each refusal is audited', async () => {
  await using plane = await ControlPlane.start();
  const key = await plane.enroll('host-1');
  await plane.enroll('host-2');
  const path = '/api/v1/agents/connect?agent_id=';

  const attempts: [string, Record<string, string>][] = [
    [`${path}host-1`, {}],
    [`${path}host-1`, { 'x-agent-api-key': 'f'.repeat(64) }],
    [`${path}host-2`, { 'x-agent-api-key': key }],
    [`${path}nobody`, { 'x-agent-api-key': key }],
    ['/ws/agents/host-2', { 'x-agent-api-key': key }],
  ];
  for (const [url, headers] of attempts)
    assert.deepEqual(await plane.dialPath(url, [], { headers }), { status: 401, code: 'UNAUTHENTICATED' }, url);
  assert.deepEqual(
    await plane.dialPath(`${path}host-1`, [], { headers: { 'x-agent-api-key': key }, origin: plane.gateway.url }),
    {
      status: 403,
      code: 'ORIGIN_REFUSED',
    },
  );

  const { body } = await plane.call('GET', '/api/v1/audit');
  assert.equal(
    body.audit.filter(({ outcome }: { outcome: string }) => outcome === 'UNAUTHENTICATED').length,
    attempts.length,
  );
});

test('the other address of the door is the same door', async () => {
  await using plane = await ControlPlane.start();
  const key = await plane.enroll('host-1');

  const client = await plane.dialPath('/ws/agents/host-1', [], { headers: { 'x-agent-api-key': key } });

  assert.property(client, 'socket');
});

test('an agent that speaks another protocol, or for another, is told so', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const greetWith = async (hello: ConstructorParameters<typeof ScriptedAgent>[0]['hello']) => {
    const agent = new ScriptedAgent({
      gatewayUrl: plane.gateway.url,
      agentId: 'host-1',
      agentKey,
      ...(hello && { hello }),
    });
    await once(agent.control, 'open');
    agent.greet();
    return agent.closed;
  };

  assert.deepEqual(await greetWith({ protocol: 99 }), { code: 4426, reason: 'AGENT_VERSION' });
  assert.deepEqual(await greetWith({ agentId: 'host-2' }), { code: 4403, reason: 'FORBIDDEN' });
});

test('what is not a control frame ends the connection, and what is not known yet does not', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const send = async (...frames: (string | Buffer)[]) => {
    const agent = await plane.connectAgent({ agentKey });
    for (const frame of frames) agent.control.send(frame);
    return agent.closed;
  };
  const future = JSON.stringify({ id: '1', type: 'from.the.future', timestamp: new Date().toISOString(), payload: {} });

  assert.deepEqual(await send(future, 'not json'), { code: 4400, reason: 'BAD_FRAME' });
  assert.deepEqual(await send('{"type":"heartbeat"}'), { code: 4400, reason: 'BAD_FRAME' });
  assert.deepEqual(await send(Buffer.from([1, 2, 3])), { code: 4400, reason: 'BAD_FRAME' });
  assert.equal((await send('x'.repeat(2 ** 20 + 1))).code, 1009);

  const early = new ScriptedAgent({ gatewayUrl: plane.gateway.url, agentId: 'host-1', agentKey });
  await once(early.control, 'open');
  early.heartbeat();
  assert.deepEqual(await early.closed, { code: 4400, reason: 'BAD_FRAME' });
  const twice = await plane.connectAgent({ agentKey });
  twice.greet();
  assert.deepEqual(await twice.closed, { code: 4400, reason: 'BAD_FRAME' });
});

test("a newer connection of an agent takes the older one's place, and the older one's end leaves it alone", async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const older = await plane.connectAgent({ agentKey });

  await using newer = await plane.connectAgent({ agentKey });

  assert.deepEqual(await older.closed, { code: 4409, reason: 'AGENT_REPLACED' });
  assert.equal((await plane.call('GET', '/api/v1/agents/host-1')).body.state, 'online');
  const sessionId = await plane.startSession();
  assert.deepInclude((await newer.nextCommand()).command, { action: 'start_session', sessionId });
});

test('an agent whose heartbeats stop is degraded, then offline, and its connection ends', async () => {
  await using plane = await ControlPlane.start({ heartbeatMs: 150 });
  await using agent = await plane.connectAgent();

  const states = new Set<string>();
  while (agent.control.readyState === agent.control.OPEN)
    states.add((await plane.call('GET', '/api/v1/agents/host-1')).body.state);

  assert.deepEqual(await agent.closed, { code: 4408, reason: 'CLIENT_SILENT' });
  assert.include([...states].join(), 'online,degraded');
  assert.equal((await plane.call('GET', '/api/v1/agents/host-1')).body.state, 'offline');
});

test('an agent tells how many VNC clients it serves', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const count = async () => (await plane.call('GET', '/api/v1/agents/host-1')).body.vncTunnels;
  assert.equal(await count(), 0);

  agent.heartbeat(3);

  await until('the count is shown', count, (shown) => shown === 3);
});

test('an agent that answers no pings is taken for lost', async () => {
  await using plane = await ControlPlane.start({ keepAliveMs: 50 });
  await using agent = await plane.connectAgent();

  agent.control.pause();

  for (;;) {
    const { body } = await plane.call('GET', '/api/v1/agents/host-1');
    if (body.state === 'offline') break;
  }
  agent.control.resume();
  assert.equal((await agent.closed).code, 4408);
});

test('a revoked agent is out at once, cannot come back, and its sessions are given up', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  await using agent = await plane.connectAgent({ agentKey });
  const sessionId = await plane.startSession();

  const { status } = await plane.call('DELETE', '/api/v1/agents/host-1');

  assert.equal(status, 204);
  assert.deepEqual(await agent.closed, { code: 4403, reason: 'FORBIDDEN' });
  const path = '/api/v1/agents/connect?agent_id=host-1';
  const refused = await plane.dialPath(path, [], { headers: { 'x-agent-api-key': agentKey } });
  assert.deepEqual(refused, { status: 401, code: 'UNAUTHENTICATED' });
  assert.deepInclude((await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body, { state: 'failed' });
  assert.equal((await plane.call('GET', '/api/v1/agents/host-1')).status, 404);
  assert.match(await plane.enroll('host-1'), /^[0-9a-f]{64}$/);
});

test('with a new key the old one and its connection end', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });

  const { body } = await plane.call('POST', '/api/v1/agents/host-1/rotate-key');

  assert.deepEqual(await agent.closed, { code: 4403, reason: 'FORBIDDEN' });
  const path = '/api/v1/agents/connect?agent_id=host-1';
  assert.propertyVal(await plane.dialPath(path, [], { headers: { 'x-agent-api-key': agentKey } }), 'status', 401);
  await using renewed = await plane.connectAgent({ agentKey: body.key });
  assert.equal(renewed.control.readyState, renewed.control.OPEN);
});

test('an agent that connected and not greeted yet when it was revoked does not get in', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = new ScriptedAgent({ gatewayUrl: plane.gateway.url, agentId: 'host-1', agentKey });
  await once(agent.control, 'open');

  await plane.call('DELETE', '/api/v1/agents/host-1');

  assert.deepEqual(await closingOf(agent.control), { code: 4403, reason: 'FORBIDDEN' });
});

test('a gateway that stops tells its agents', async () => {
  const plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();

  await plane[Symbol.asyncDispose]();

  assert.deepEqual(await agent.closed, { code: 4503, reason: 'SHUTTING_DOWN' });
});
