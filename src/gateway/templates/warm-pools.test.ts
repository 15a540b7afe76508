import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { until } from '../../../test/harness/house.ts';
import type { ScriptedAgentOptions } from '../../../test/harness/scripted-agent.ts';

const QUICK = { lifecycleMs: 20 };
const SPEC = { app: ['xterm'], audio: false };

async function openPlane(warm: number, options: Partial<ScriptedAgentOptions> = {}) {
  const plane = await ControlPlane.start(QUICK);
  const body = { id: 'term', spec: SPEC, overrides: ['screen', 'home', 'idleTimeoutSeconds', 'restart'], warm };
  await plane.call('POST', '/api/v1/templates', { body });
  const agent = await plane.connectAgent(options);
  const pool = async () => (await plane.call('GET', '/api/v1/templates/term')).body.pool;
  const create = (choice: object = {}) =>
    plane.call('POST', '/api/v1/sessions', { body: { template: 'term', ...choice } });
  return {
    plane,
    agent,
    body,
    pool,
    create,
    untilReady: (count: number) =>
      until('the pool is ready', pool, ({ ready, starting }) => ready === count && starting === 0),
    [Symbol.asyncDispose]: async () => {
      await agent[Symbol.asyncDispose]();
      await plane[Symbol.asyncDispose]();
    },
  };
}

test('a pool is filled in the background, seen by who asks for warm sessions, and refilled after a claim', async () => {
  await using world = await openPlane(2);
  await world.untilReady(2);
  const { body: all } = await world.plane.call('GET', '/api/v1/sessions');
  const { body: warm } = await world.plane.call('GET', '/api/v1/sessions?state=warm');

  const claimed = await world.create({ idleTimeoutSeconds: 3600, restart: 'on-failure' });

  assert.deepEqual(all.sessions, []);
  assert.lengthOf(warm.sessions, 2);
  assert.equal(claimed.status, 201);
  assert.deepInclude(claimed.body, { state: 'running', template: { id: 'term', revision: 1 } });
  assert.deepInclude(claimed.body.spec, { idleTimeoutSeconds: 3600, restart: 'on-failure' });
  assert.include(
    warm.sessions.map(({ id }: { id: string }) => id),
    claimed.body.id,
  );
  await world.untilReady(2);
  const { body: listed } = await world.plane.call('GET', '/api/v1/sessions');
  assert.deepEqual(
    listed.sessions.map(({ id }: { id: string }) => id),
    [claimed.body.id],
  );
  assert.isString((await world.plane.call('GET', `/api/v1/sessions/${claimed.body.id}`)).body.idleAt);
  const { body: metrics } = await world.plane.call('GET', '/metrics');
  assert.match(metrics, /nekogate_session_claims_total\{outcome="warm"\} 1/);
  assert.match(metrics, /nekogate_pool_sessions\{state="ready"\} 2/);
});

test('nobody is let into a session that waits in a pool', async () => {
  await using world = await openPlane(1);
  await world.untilReady(1);
  const { body: warm } = await world.plane.call('GET', '/api/v1/sessions?state=warm');
  const path = `/api/v1/sessions/${warm.sessions[0].id}/access`;

  const refused = await world.plane.call('POST', path, { body: { role: 'owner' } });
  await world.create();
  const granted = await world.plane.call('POST', path, { body: { role: 'owner' } });

  assert.deepEqual([refused.status, refused.body.code, granted.status], [409, 'CONFLICT', 201]);
});

test('of claims at once none gets what another has, and who comes too late is started cold', async () => {
  await using world = await openPlane(2, {
    hello: { capabilities: { runtimes: ['process'], streamer: 'embedded', maxSessions: 8 } },
  });
  await world.untilReady(2);

  const answers = await Promise.all(Array.from({ length: 5 }, () => world.create()));

  assert.lengthOf(new Set(answers.map(({ body }) => body.id)), 5);
  assert.isAtLeast(answers.filter(({ status }) => status === 201).length, 2);
  const { body: metrics } = await world.plane.call('GET', '/metrics');
  assert.match(metrics, /nekogate_session_claims_total\{outcome="cold"\} [123]/);
});

test('what a running session can not be changed into is started cold', async () => {
  await using world = await openPlane(1);
  await world.untilReady(1);

  const answers = [await world.create({ screen: { width: 640, height: 480 } }), await world.create({ home: 'ann' })];

  assert.deepEqual(
    answers.map(({ status }) => status),
    [202, 202],
  );
  assert.equal((await world.pool()).ready, 1);
});

test('a pool whose template changes or goes is ended, and a claimed session of it goes on', async () => {
  await using world = await openPlane(1);
  await world.untilReady(1);
  const { body: claimed } = await world.create();
  await world.untilReady(1);
  const warm = async () => (await world.plane.call('GET', '/api/v1/sessions?state=warm')).body.sessions;
  const [before] = await warm();

  const { id: _id, ...content } = world.body;
  await world.plane.call('PUT', '/api/v1/templates/term', { body: { ...content, spec: { app: ['xclock'] } } });
  const [after] = await until(
    'another session in the pool',
    warm,
    ([session]) => session !== undefined && session.id !== before.id,
  );
  await world.plane.call('DELETE', '/api/v1/templates/term');
  await until('an empty pool', warm, (sessions) => sessions.length === 0);

  assert.deepEqual(after.spec.app, ['xclock']);
  assert.equal((await world.plane.call('GET', `/api/v1/sessions/${claimed.id}`)).body.state, 'running');
  assert.equal((await world.plane.call('GET', `/api/v1/sessions/${before.id}`)).status, 404);
});

test('what waits in a pool gives way when the host is full', async () => {
  await using world = await openPlane(4, {
    hello: { capabilities: { runtimes: ['process'], streamer: 'embedded', maxSessions: 2 } },
  });
  await world.untilReady(2);

  const cold = await world.plane.call('POST', '/api/v1/sessions?wait=ready', { body: { audio: false } });
  const again = await world.plane.call('POST', '/api/v1/sessions?wait=ready', { body: { audio: false } });
  const full = await world.plane.call('POST', '/api/v1/sessions', { body: {} });

  assert.deepEqual([cold.body.state, again.body.state], ['running', 'running']);
  assert.equal(full.body.code, 'SESSION_LIMIT');
  assert.deepInclude(await world.pool(), { ready: 0, starting: 0 });
});

test('a pool that can not be filled says why, tries less and less often, and leaves no failed sessions behind', async () => {
  let starts = 0;
  await using world = await openPlane(1, {
    onCommand: () => {
      starts += 1;
      return { code: 'DEPENDENCY_MISSING', message: 'no Xvnc here' };
    },
  });

  const { lastFailure } = await until('the failure', world.pool, (pool) => pool.lastFailure !== undefined);
  await until(
    'the second try',
    async () => starts,
    (count) => count === 2,
  );

  assert.deepInclude(lastFailure, { code: 'DEPENDENCY_MISSING', message: 'no Xvnc here', agentId: 'host-1' });
  await until(
    'the metric',
    async () => (await world.plane.call('GET', '/metrics')).body,
    (metrics) => /nekogate_pool_starts_total\{outcome="failed"\} 2/.test(metrics),
  );
  assert.deepEqual((await world.plane.call('GET', '/api/v1/sessions?state=failed')).body.sessions, []);
});
