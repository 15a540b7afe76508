import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';

async function start(plane: ControlPlane, home: string): Promise<string> {
  const { body } = await plane.call('POST', '/api/v1/sessions?wait=ready', { body: { home } });
  assert.equal(body.state, 'running', JSON.stringify(body));
  return body.id;
}

test('homes are listed with where they lie and who has them, page by page', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const ann = await start(plane, 'ann');
  const bob = await start(plane, 'bob');
  await plane.call('DELETE', `/api/v1/sessions/${bob}`);

  const first = await plane.call('GET', '/api/v1/homes?limit=1');
  const second = await plane.call('GET', `/api/v1/homes?limit=1&cursor=${first.body.nextCursor}`);

  assert.deepInclude(first.body.homes[0], {
    id: 'ann',
    agentId: 'host-1',
    agentState: 'online',
    session: { id: ann, state: 'running' },
    template: null,
  });
  assert.deepInclude(second.body.homes[0], { id: 'bob', session: { id: bob, state: 'stopped' } });
  assert.isString(second.body.homes[0].lastUsedAt);
  assert.isUndefined(second.body.nextCursor);
});

test('a home is removed on its host and forgotten, and the audit knows by whom', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  await plane.call('DELETE', `/api/v1/sessions/${await start(plane, 'ann')}`);

  const { status } = await plane.call('DELETE', '/api/v1/homes/ann');

  assert.equal(status, 204);
  assert.deepEqual(agent.commands.at(-1)?.command, { action: 'remove_home', home: 'ann' });
  assert.deepEqual((await plane.call('GET', '/api/v1/homes')).body, { homes: [] });
  assert.equal((await plane.call('DELETE', '/api/v1/homes/ann')).status, 404);
  const { body } = await plane.call('GET', '/api/v1/audit');
  assert.isDefined(body.audit.find((one: { action: string; target: string }) => one.target === 'home:ann'));
});

test('a home that a session has is not removed, a hibernated one neither, and the refusal names it', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  const sessionId = await start(plane, 'ann');

  const whileRunning = await plane.call('DELETE', '/api/v1/homes/ann');
  await plane.call('POST', `/api/v1/sessions/${sessionId}/hibernate`);
  const whileHibernated = await plane.call('DELETE', '/api/v1/homes/ann');

  for (const { status, body } of [whileRunning, whileHibernated]) {
    assert.deepEqual([status, body.code], [409, 'CONFLICT']);
    assert.include(body.detail, sessionId);
  }
  assert.isFalse(agent.commands.some(({ command }) => command.action === 'remove_home'));
});

test('a home stays known while its host can not be asked, or refuses', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({
    agentKey,
    onCommand: ({ command: { action } }) =>
      action === 'remove_home' ? { code: 'CONFLICT', message: 'a container has it' } : 'done',
  });
  await plane.call('DELETE', `/api/v1/sessions/${await start(plane, 'ann')}`);

  const refused = await plane.call('DELETE', '/api/v1/homes/ann');
  agent.drop();
  await agent.closed;
  const away = await plane.call('DELETE', '/api/v1/homes/ann');

  assert.deepEqual([refused.status, refused.body.detail], [409, 'a container has it']);
  assert.deepEqual([away.status, away.body.code], [503, 'AGENT_OFFLINE']);
  assert.match(away.body.detail, /home ann.*host-1/);
  assert.deepInclude((await plane.call('GET', '/api/v1/homes')).body.homes[0], { id: 'ann', agentState: 'offline' });
});

test('a home on the host of an agent that was revoked is forgotten, and lies anew where it is used next', async () => {
  await using plane = await ControlPlane.start();
  await using _first = await plane.connectAgent();
  await start(plane, 'ann');
  await plane.call('DELETE', '/api/v1/agents/host-1');

  const { status } = await plane.call('DELETE', '/api/v1/homes/ann');

  assert.equal(status, 204);
  await using _second = await plane.connectAgent({ agentId: 'host-2' });
  await start(plane, 'ann');
  assert.deepInclude((await plane.call('GET', '/api/v1/homes')).body.homes[0], { id: 'ann', agentId: 'host-2' });
});

test('only the administrator sees or removes homes', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const { token } = await plane.grant(await start(plane, 'ann'), 'owner');

  for (const [method, path] of [
    ['GET', '/api/v1/homes'],
    ['DELETE', '/api/v1/homes/ann'],
  ] as const)
    assert.equal((await plane.call(method, path, { token })).status, 401);
});
