import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { SessionSpec } from '../../protocol/session.ts';

/** Asks until the session is in the state; the test's own time limit ends it. */
async function untilState(plane: ControlPlane, sessionId: string, state: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}`);
    if (body.state === state) return body;
  }
}

test('a session starts on the connected agent and says so', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();

  const { status, body } = await plane.call('POST', '/api/v1/sessions?wait=ready', {
    body: { app: ['xterm'], audio: false },
  });

  assert.equal(status, 201);
  assert.match(body.id, /^s-[a-z2-9]{12}$/);
  assert.deepInclude(body, {
    state: 'running',
    agentId: 'host-1',
    agentState: 'online',
    streamer: 'embedded',
    logins: 0,
    endedAt: null,
  });
  const { command } = await agent.nextCommand();
  assert.deepEqual(command, {
    action: 'start_session',
    sessionId: body.id,
    spec: SessionSpec.parse({ app: ['xterm'], audio: false, screen: { width: 1280, height: 720, rate: 25 } }),
  });
});

test('who does not wait is answered at once, with the session pending', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent({ onCommand: () => 'silent' });

  const { status, body } = await plane.call('POST', '/api/v1/sessions', { body: {} });

  assert.equal(status, 202);
  assert.equal(body.state, 'pending');
});

test('a start that fails is a failed session, with the reason and its last words', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent({
    onCommand: () => ({ code: 'DEPENDENCY_MISSING', message: 'no Xvnc here' }),
  });

  const { status, body } = await plane.call('POST', '/api/v1/sessions?wait=ready', { body: {} });

  assert.equal(status, 201);
  assert.equal(body.state, 'failed');
  assert.deepEqual(body.reason, { code: 'DEPENDENCY_MISSING', message: 'no Xvnc here' });
  assert.deepEqual(body.logTail, ['its last words']);
  assert.isString(body.endedAt);
});

test('the agent with the most room is taken, and a full house says so', async () => {
  await using plane = await ControlPlane.start();
  const room = (maxSessions: number) => ({
    capabilities: { runtimes: ['scripted'], streamer: 'embedded' as const, maxSessions },
  });
  await using _small = await plane.connectAgent({ agentId: 'small', hello: room(1) });
  await using _large = await plane.connectAgent({ agentId: 'large', hello: room(2) });
  const start = () => plane.call('POST', '/api/v1/sessions?wait=ready', { body: {} });

  const hosts = [(await start()).body.agentId, (await start()).body.agentId, (await start()).body.agentId];
  const refused = await start();

  assert.equal(hosts[0], 'large');
  assert.sameMembers(hosts, ['large', 'large', 'small']);
  assert.deepInclude(refused.body, { status: 503, code: 'SESSION_LIMIT' });
});

test('a named agent must be known, connected and have room', async () => {
  await using plane = await ControlPlane.start();
  await plane.enroll('away');
  const startOn = async (agentId: string) =>
    (await plane.call('POST', '/api/v1/sessions', { body: { agentId } })).body.code;

  assert.equal(await startOn('nobody'), 'AGENT_NOT_FOUND');
  assert.equal(await startOn('away'), 'AGENT_OFFLINE');
  await using _full = await plane.connectAgent({
    agentId: 'full',
    hello: { capabilities: { runtimes: [], streamer: 'neko', maxSessions: 0 } },
  });
  assert.equal(await startOn('full'), 'SESSION_LIMIT');
});

test('a stopped session is stopped, also the second time', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await plane.startSession();

  const first = await plane.call('DELETE', `/api/v1/sessions/${sessionId}`);
  const second = await plane.call('DELETE', `/api/v1/sessions/${sessionId}`);

  assert.deepEqual([first.status, first.body.state], [200, 'stopped']);
  assert.deepEqual([second.status, second.body.state], [200, 'stopped']);
  assert.deepEqual(
    agent.commands.map(({ command }) => command.action),
    ['start_session', 'stop_session'],
  );
});

test('a session that is stopped while it starts ends as stopped', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({
    onCommand: ({ command }) => (command.action === 'start_session' ? 'silent' : 'done'),
  });
  const { body } = await plane.call('POST', '/api/v1/sessions', { body: {} });
  const { commandId } = await agent.nextCommand();
  agent.report({ sessionId: body.id, state: 'starting' });

  const stopping = plane.call('DELETE', `/api/v1/sessions/${body.id}`);
  await agent.nextCommand();
  const reason = { code: 'SESSION_ENDED', message: 'stopped while it started' };
  agent.report({ sessionId: body.id, state: 'failed', reason });
  agent.send('result', { commandId, error: reason });

  assert.equal((await stopping).body.state, 'stopped');
});

test('sessions go on while their agent is away, and the state says so', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const sessionId = await plane.startSession();

  agent.drop();
  await agent.closed;

  for (;;) {
    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}`);
    assert.equal(body.state, 'running');
    if (body.agentState === 'offline') break;
  }
  await using _back = await plane.connectAgent({
    agentKey,
    sessions: [{ sessionId, state: 'running', streamer: 'neko' }],
  });
  const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}`);
  assert.deepInclude(body, { state: 'running', agentState: 'online', streamer: 'neko' });
});

test('what an agent has lost when it comes back is failed, and what it should not have is stopped', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const lost = await plane.startSession();
  const unwanted = await plane.startSession();
  agent.drop();
  await agent.closed;
  while ((await plane.call('GET', '/api/v1/agents/host-1')).body.state !== 'offline');
  const whileAway = await plane.call('DELETE', `/api/v1/sessions/${unwanted}`);
  assert.deepEqual([whileAway.status, whileAway.body.state], [202, 'stopping']);

  await using back = await plane.connectAgent({
    agentKey,
    sessions: [
      { sessionId: unwanted, state: 'running' },
      { sessionId: 's-stranger', state: 'running' },
    ],
  });

  const stopped = [(await back.nextCommand()).command, (await back.nextCommand()).command];
  assert.sameDeepMembers(stopped, [
    { action: 'stop_session', sessionId: unwanted },
    { action: 'stop_session', sessionId: 's-stranger' },
  ]);
  const failed = await untilState(plane, lost, 'failed');
  assert.propertyVal(failed['reason'], 'code', 'AGENT_OFFLINE');
  await untilState(plane, unwanted, 'stopped');
});

test('a start whose agent is lost is decided by what the agent has when it comes back', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey, onCommand: () => 'silent' });
  const { body } = await plane.call('POST', '/api/v1/sessions', { body: {} });
  await agent.nextCommand();
  agent.drop();
  await agent.closed;

  await using back = await plane.connectAgent({ agentKey, sessions: [{ sessionId: body.id, state: 'starting' }] });
  await untilState(plane, body.id, 'starting');
  back.report({ sessionId: body.id, state: 'running', streamer: 'neko' });

  assert.deepInclude(await untilState(plane, body.id, 'running'), { streamer: 'neko' });
});

test("an agent cannot speak for another agent's session", async () => {
  await using plane = await ControlPlane.start();
  await using _owner = await plane.connectAgent({ agentId: 'owner' });
  const sessionId = await plane.startSession();
  await using other = await plane.connectAgent({ agentId: 'other' });

  other.report({ sessionId, state: 'failed' });
  other.report({ sessionId, state: 'running' });

  assert.equal((await other.nextCommand()).command.action, 'stop_session');
  assert.equal((await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body.state, 'running');
});

test('a session that loses a part is starting again, with the reason, until it is whole', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await plane.startSession();

  agent.report({ sessionId, state: 'starting', reason: { code: 'STREAMER_LOST', message: 'it was killed' } });
  const broken = await untilState(plane, sessionId, 'starting');
  agent.report({ sessionId, state: 'running' });
  const whole = await untilState(plane, sessionId, 'running');

  assert.deepEqual(broken['reason'], { code: 'STREAMER_LOST', message: 'it was killed' });
  assert.notProperty(whole, 'reason');
});

test('sessions are listed newest first, in pages and by state', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const ids = [await plane.startSession(), await plane.startSession(), await plane.startSession()];
  await plane.call('DELETE', `/api/v1/sessions/${ids[0]}`);

  const first = await plane.call('GET', '/api/v1/sessions?limit=2');
  const second = await plane.call('GET', `/api/v1/sessions?limit=2&cursor=${first.body.nextCursor}`);
  const stopped = await plane.call('GET', '/api/v1/sessions?state=stopped');

  const listed = [...first.body.sessions, ...second.body.sessions].map(({ id }: { id: string }) => id);
  assert.deepEqual(listed.toSorted(), ids.toSorted());
  assert.notProperty(second.body, 'nextCursor');
  assert.deepEqual(
    stopped.body.sessions.map(({ id }: { id: string }) => id),
    [ids[0]],
  );
  assert.equal((await plane.call('GET', '/api/v1/sessions?cursor=nonsense')).body.code, 'BAD_REQUEST');
});

test('a gateway that stops while a caller waits for a session answers it', async () => {
  const plane = await ControlPlane.start();
  await using agent = await plane.connectAgent({ onCommand: () => 'silent' });
  const waiting = plane.call('POST', '/api/v1/sessions?wait=ready', { body: {} });
  await agent.nextCommand();

  await plane[Symbol.asyncDispose]();

  assert.equal((await waiting).status, 202);
});

test('a gateway that starts again knows its sessions', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  await using _agent = await plane.connectAgent({ agentKey });
  const sessionId = await plane.startSession();
  await plane.gateway.stop();

  await using again = await ControlPlane.start({ dataDir: plane.dataDir });

  assert.equal(again.gateway.adminToken, plane.gateway.adminToken);
  const { body } = await again.call('GET', `/api/v1/sessions/${sessionId}`);
  assert.deepInclude(body, { state: 'running', agentState: 'offline' });
});
