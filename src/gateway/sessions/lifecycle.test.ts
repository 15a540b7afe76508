import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { until } from '../../../test/harness/house.ts';
import type { ScriptedAgent } from '../../../test/harness/scripted-agent.ts';

const QUICK = { lifecycleMs: 20 };

type Body = Record<string, unknown>;

async function untilState(plane: ControlPlane, sessionId: string, state: string): Promise<Body> {
  return until(
    `the session is ${state}`,
    async () => (await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body,
    (body) => body.state === state,
  );
}

async function start(plane: ControlPlane, spec: object = {}): Promise<string> {
  const { body } = await plane.call('POST', '/api/v1/sessions?wait=ready', { body: spec });
  assert.equal(body.state, 'running', JSON.stringify(body));
  return body.id;
}

function act(plane: ControlPlane, sessionId: string, action: string) {
  return plane.call('POST', `/api/v1/sessions/${sessionId}/${action}`);
}

function actionsOf(agent: ScriptedAgent): string[] {
  return agent.commands.splice(0).map(({ command }) => command.action);
}

test('a session is paused and goes on, and doing either twice changes nothing', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane);

  const answers = [];
  for (const action of ['pause', 'pause', 'resume', 'resume']) answers.push(await act(plane, sessionId, action));

  assert.deepEqual(
    answers.map(({ status, body }) => [status, body.state]),
    [
      [200, 'paused'],
      [200, 'paused'],
      [200, 'running'],
      [200, 'running'],
    ],
  );
  assert.deepEqual(actionsOf(agent), ['start_session', 'pause_session', 'resume_session']);
});

test('who is in a session stays when it is paused, and is told; nobody else gets in', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane);
  const { token } = await plane.grant(sessionId);
  const client = await plane.join(sessionId, token);
  await agent.nextTunnel();

  await act(plane, sessionId, 'pause');
  const paused = await client.next();
  const refused = await plane.dial(sessionId, token);
  await act(plane, sessionId, 'resume');

  assert.deepEqual(JSON.parse(paused), { event: 'gateway/session', payload: { state: 'paused' } });
  assert.deepEqual(JSON.parse(await client.next()), { event: 'gateway/session', payload: { state: 'running' } });
  assert.deepInclude(refused, { code: 'SESSION_NOT_RUNNING' });
  assert.equal(client.socket.readyState, client.socket.OPEN);
  client.socket.close();
});

test('a hibernated session keeps its accesses, tells its clients, and runs again when it is woken', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane, { home: 'ann' });
  const { token } = await plane.grant(sessionId);
  const client = await plane.join(sessionId, token);
  await agent.nextTunnel();

  const hibernated = await act(plane, sessionId, 'hibernate');
  const again = await act(plane, sessionId, 'hibernate');
  const closed = await client.closed;
  const refused = await plane.dial(sessionId, token);
  const woken = await plane.call('POST', `/api/v1/sessions/${sessionId}/wake?wait=ready`);

  assert.deepEqual([hibernated.status, hibernated.body.state, hibernated.body.endedAt], [200, 'hibernated', null]);
  assert.deepEqual([again.status, again.body.state], [200, 'hibernated']);
  assert.deepEqual(closed, { code: 4413, reason: 'SESSION_HIBERNATED' });
  assert.deepInclude(refused, { code: 'SESSION_HIBERNATED' });
  assert.deepEqual([woken.status, woken.body.state], [200, 'running']);
  assert.deepEqual(actionsOf(agent), ['start_session', 'hibernate_session', 'wake_session']);
  await plane.join(sessionId, token);
  await agent.nextTunnel();
});

test('what a state does not allow is refused with what it does allow', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const plain = await start(plane);
  const withHome = await start(plane, { home: 'ann' });
  await act(plane, withHome, 'hibernate');
  const refusal = async (sessionId: string, action: string): Promise<string> => {
    const { status, body } = await act(plane, sessionId, action);
    assert.deepEqual([status, body.code], [409, 'CONFLICT'], action);
    return body.detail;
  };

  assert.match(await refusal(plain, 'hibernate'), /has no home .* make sessions with "home"/);
  assert.match(await refusal(withHome, 'pause'), /is hibernated and can't pause now: wake or stop it/);
  assert.match(await refusal(withHome, 'resume'), /wake or stop it/);
  await act(plane, plain, 'pause');
  assert.match(await refusal(plain, 'wake'), /is paused and can't wake now: resume/);
  await act(plane, plain, 'stop');
  assert.match(await refusal(plain, 'pause'), /is stopped .*: restart it, or make a new one/);
  assert.equal((await act(plane, 's-none', 'pause')).body.code, 'SESSION_NOT_FOUND');
});

test('a session that can not be woken is hibernated as before, and says why', async () => {
  await using plane = await ControlPlane.start();
  let answer: 'done' | { code: string; message: string } = 'done';
  await using _agent = await plane.connectAgent({ onCommand: () => answer });
  const sessionId = await start(plane, { home: 'ann' });
  await act(plane, sessionId, 'hibernate');

  answer = { code: 'SESSION_LIMIT', message: 'no slot is free' };
  const failed = await plane.call('POST', `/api/v1/sessions/${sessionId}/wake?wait=ready`);
  answer = 'done';
  const woken = await plane.call('POST', `/api/v1/sessions/${sessionId}/wake?wait=ready`);

  assert.deepEqual([failed.status, failed.body.state], [202, 'hibernated']);
  assert.deepEqual(failed.body.reason, { code: 'SESSION_LIMIT', message: 'no slot is free' });
  assert.equal(woken.body.state, 'running');
  assert.notProperty(woken.body, 'reason');
});

test('a restarted session runs anew under its id, its clients may come back, and an ended one can be restarted too', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane);
  const { token } = await plane.grant(sessionId);
  const client = await plane.join(sessionId, token);
  await agent.nextTunnel();

  const restarted = await plane.call('POST', `/api/v1/sessions/${sessionId}/restart?wait=ready`);
  const closed = await client.closed;
  await act(plane, sessionId, 'stop');
  const again = await plane.call('POST', `/api/v1/sessions/${sessionId}/restart?wait=ready`);

  assert.deepEqual([restarted.status, restarted.body.state], [200, 'running']);
  assert.deepEqual(closed, { code: 4412, reason: 'SESSION_NOT_RUNNING' });
  assert.deepEqual([again.body.state, again.body.endedAt], ['running', null]);
  assert.deepEqual(actionsOf(agent), [
    'start_session',
    'stop_session',
    'start_session',
    'stop_session',
    'start_session',
  ]);
});

test('hibernating is done once the agent is back, and a hibernated session is left alone by its inventory', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const sessionId = await start(plane, { home: 'ann' });
  agent.drop();
  await agent.closed;
  while ((await plane.call('GET', '/api/v1/agents/host-1')).body.state !== 'offline');

  const whileAway = await act(plane, sessionId, 'hibernate');
  const back = await plane.connectAgent({ agentKey, sessions: [{ sessionId, state: 'running' }] });
  const { command } = await back.nextCommand();
  await untilState(plane, sessionId, 'hibernated');
  back.drop();
  await back.closed;
  await using _again = await plane.connectAgent({ agentKey, sessions: [] });

  assert.deepEqual([whileAway.status, whileAway.body.state], [202, 'hibernating']);
  assert.deepEqual(command, { action: 'hibernate_session', sessionId });
  assert.equal((await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body.state, 'hibernated');
});

test('a paused session is paused when its agent, or its gateway, comes back', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const sessionId = await start(plane);
  await act(plane, sessionId, 'pause');
  agent.drop();
  await plane.gateway.stop();

  await using again = await ControlPlane.start({ dataDir: plane.dataDir });
  await using _back = await again.connectAgent({ agentKey, sessions: [{ sessionId, state: 'paused' }] });

  assert.equal((await again.call('GET', `/api/v1/sessions/${sessionId}`)).body.state, 'paused');
  assert.equal((await act(again, sessionId, 'resume')).body.state, 'running');
});

test('one home is had by one session at a time, and its sessions go to the host where it lies', async () => {
  await using plane = await ControlPlane.start();
  const room = (maxSessions: number) => ({
    capabilities: { runtimes: ['process'], streamer: 'embedded' as const, maxSessions },
  });
  await using _here = await plane.connectAgent({ agentId: 'here', hello: room(9) });
  const first = await start(plane, { home: 'ann' });
  await using _there = await plane.connectAgent({ agentId: 'there', hello: room(99) });

  const second = await plane.call('POST', '/api/v1/sessions', { body: { home: 'ann' } });
  await act(plane, first, 'stop');
  const elsewhere = await plane.call('POST', '/api/v1/sessions', { body: { home: 'ann', agentId: 'there' } });
  const third = await plane.call('POST', '/api/v1/sessions?wait=ready', { body: { home: 'ann' } });
  const revived = await act(plane, first, 'restart');

  assert.deepInclude(second.body, { status: 409, code: 'CONFLICT' });
  assert.match(second.body.detail, /has the home ann; wake or stop that one/);
  assert.match(elsewhere.body.detail, /home ann lies on agent here's host/);
  assert.deepInclude(third.body, { state: 'running', agentId: 'here' });
  assert.match(revived.body.detail, /has the home ann/);
});

test('an image or limits are refused where no agent can give them', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent({
    hello: { capabilities: { runtimes: ['process'], streamer: 'embedded', maxSessions: 4 } },
  });

  for (const body of [
    { image: 'nekogate/desktop' },
    { resources: {} },
    { resources: { cpus: 1 }, agentId: 'host-1' },
  ]) {
    const { status, body: problem } = await plane.call('POST', '/api/v1/sessions', { body });
    assert.deepEqual([status, problem.code], [400, 'BAD_REQUEST']);
    assert.match(problem.detail, /need a container.*--runtime docker/);
  }
});

test('a session with folders of a host goes where they are, and is refused where nobody has them', async () => {
  await using plane = await ControlPlane.start();
  const roots = (maxSessions: number, mountRoots?: string[]) => ({
    capabilities: {
      runtimes: ['docker'],
      streamer: 'neko' as const,
      maxSessions,
      ...(mountRoots && { mountRoots }),
    },
  });
  await using _bigger = await plane.connectAgent({ agentId: 'bigger', hello: roots(99) });
  await using _there = await plane.connectAgent({ agentId: 'there', hello: roots(4, ['data', 'media']) });
  const order = (root: string, agentId?: string) =>
    plane.call('POST', '/api/v1/sessions', { body: { mounts: [{ root, target: '/mnt/x' }], agentId } });

  const taken = await order('data');
  const nowhere = await order('other');
  const elsewhere = await order('data', 'bigger');

  assert.deepInclude(taken.body, { agentId: 'there' });
  assert.match(nowhere.body.detail, /no connected agent has the mount roots other.*--mount-root/);
  assert.match(elsewhere.body.detail, /agent bigger lacks the mount roots data/);
  assert.deepEqual([nowhere.status, elsewhere.status], [400, 400]);
});

test('a key that is not one of a session is refused by its name', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();

  const { status, body } = await plane.call('POST', '/api/v1/sessions', { body: { idleTimoutSeconds: 5 } });

  assert.equal(status, 400);
  assert.include(body.detail, 'idleTimoutSeconds');
});

test('a session that nobody is in is stopped when it is idle, with the reason, and the audit knows', async () => {
  await using plane = await ControlPlane.start(QUICK);
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane, { idleTimeoutSeconds: 1 });

  const { reason, idleAt } = await untilState(plane, sessionId, 'stopped');

  assert.deepEqual(reason, { code: 'IDLE_TIMEOUT', message: 'nobody used it for 1 s' });
  assert.isString(idleAt);
  assert.deepEqual(actionsOf(agent), ['start_session', 'stop_session']);
  const { body } = await plane.call('GET', '/api/v1/audit');
  assert.deepInclude(
    body.audit.find(({ action }: { action: string }) => action === 'session.stopped'),
    { actor: 'gateway', target: `session:${sessionId}` },
  );
});

test('a session with a home hibernates when it is idle; one that somebody is in does not', async () => {
  await using plane = await ControlPlane.start(QUICK);
  await using _agent = await plane.connectAgent();
  const watched = await start(plane, { home: 'bob', idleTimeoutSeconds: 1 });
  const { token } = await plane.grant(watched);
  const client = await plane.join(watched, token);
  const idle = await start(plane, { home: 'ann', idleTimeoutSeconds: 1 });

  await untilState(plane, idle, 'hibernated');
  const { body } = await plane.call('GET', `/api/v1/sessions/${watched}`);
  client.socket.close();
  const { reason } = await untilState(plane, watched, 'hibernated');

  assert.equal(body.state, 'running');
  assert.propertyVal(reason, 'code', 'IDLE_TIMEOUT');
});

test("a call of neko's API counts as a use of its session, though nobody is connected", async () => {
  await using plane = await ControlPlane.start(QUICK);
  await using agent = await plane.connectAgent({ onTunnel: 'wait' });
  const sessionId = await start(plane, { idleTimeoutSeconds: 3600 });
  const { token } = await plane.grant(sessionId);
  const idleAt = async () => Date.parse((await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body.idleAt);
  const before = await until('its idle time runs', idleAt, (at) => !Number.isNaN(at));

  const calling = plane.call('POST', `/s/${sessionId}/api/room/control/take`, { token });
  await agent.nextRequest();

  await until('it counts anew', idleAt, (at) => at > before);
  agent.drop();
  assert.equal((await calling).status, 503);
});

test('a session is not idle while its agent is away, nor before its clients can be back', async () => {
  await using plane = await ControlPlane.start(QUICK);
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const sessionId = await start(plane, { idleTimeoutSeconds: 1 });
  const show = async () => (await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body;
  agent.drop();
  await agent.closed;

  const away = await until('its idle time is over', show, ({ idleAt }) => Date.parse(idleAt) + 500 < Date.now());
  await using _back = await plane.connectAgent({ agentKey, sessions: [{ sessionId, state: 'running' }] });
  const back = await show();

  assert.deepEqual([away.state, back.state], ['running', 'running']);
  assert.isAbove(Date.parse(back.idleAt), Date.now() + 20_000);
});

test('a session whose time is over ends, whoever is in it, also after a gateway restart, which gives it no new time', async () => {
  await using plane = await ControlPlane.start(QUICK);
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const sessionId = await start(plane, { maxDurationSeconds: 2 });
  const { endsAt } = (await plane.call('GET', `/api/v1/sessions/${sessionId}`)).body;
  agent.drop();
  await plane.gateway.stop();

  await using again = await ControlPlane.start({ ...QUICK, dataDir: plane.dataDir });
  await using back = await again.connectAgent({ agentKey, sessions: [{ sessionId, state: 'running' }] });
  const { token } = await again.grant(sessionId);
  const client = await again.join(sessionId, token);
  await back.nextTunnel();
  const kept = (await again.call('GET', `/api/v1/sessions/${sessionId}`)).body.endsAt;
  const { reason } = await untilState(again, sessionId, 'stopped');

  assert.equal(kept, endsAt);
  assert.deepEqual(reason, { code: 'MAX_DURATION', message: 'it ran for 2 s, as long as it may' });
  assert.deepEqual(await client.closed, { code: 4411, reason: 'SESSION_ENDED' });
});

test('a session that dies is started again where its policy says so, and told truthfully meanwhile', async () => {
  await using plane = await ControlPlane.start(QUICK);
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane, { restart: 'on-failure' });

  agent.report({
    sessionId,
    state: 'failed',
    reason: { code: 'DESKTOP_FAILED', message: 'it exited with code 3' },
    logTail: ['last words'],
    exitCode: 3,
  });
  const waiting = await untilState(plane, sessionId, 'pending');
  const running = await untilState(plane, sessionId, 'running');

  assert.deepEqual(waiting['reason'], {
    code: 'DESKTOP_FAILED',
    message: 'it exited with code 3; restart 1 of 5 follows in 1 s',
    exitCode: 3,
  });
  assert.deepEqual(waiting['logTail'], ['last words']);
  assert.equal(running['restarts'], 1);
  assert.notProperty(running, 'reason');
  assert.deepEqual(actionsOf(agent), ['start_session', 'start_session']);
});

test('a session that dies without a policy, or does not even start, stays failed with its exit code', async () => {
  await using plane = await ControlPlane.start(QUICK);
  let answer: 'done' | { code: string; message: string } = 'done';
  await using agent = await plane.connectAgent({ onCommand: () => answer });
  const sessionId = await start(plane);
  agent.report({ sessionId, state: 'failed', reason: { code: 'DESKTOP_FAILED', message: 'gone' }, exitCode: 3 });
  const failed = await untilState(plane, sessionId, 'failed');

  answer = { code: 'DEPENDENCY_MISSING', message: 'no Xvnc here' };
  const { body } = await plane.call('POST', '/api/v1/sessions?wait=ready', { body: { restart: 'on-failure' } });

  assert.deepEqual(failed['reason'], { code: 'DESKTOP_FAILED', message: 'gone', exitCode: 3 });
  assert.equal(body.state, 'failed');
});

test('a session that waits for its restart can be stopped, and then it is not restarted', async () => {
  await using plane = await ControlPlane.start(QUICK);
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane, { restart: 'on-failure' });
  agent.report({ sessionId, state: 'failed', reason: { code: 'DESKTOP_FAILED', message: 'gone' } });
  await untilState(plane, sessionId, 'pending');

  const { status, body } = await act(plane, sessionId, 'stop');

  assert.deepEqual([status, body.state], [200, 'stopped']);
  assert.deepEqual(actionsOf(agent), ['start_session']);
});
