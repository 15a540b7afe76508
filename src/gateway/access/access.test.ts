import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';

test('an access is shown once with its token and the address to open, and never again', async () => {
  await using plane = await ControlPlane.start({ publicUrl: 'https://desk.example/' });
  await using _agent = await plane.connectAgent();
  const sessionId = await plane.startSession();

  const { status, body, headers } = await plane.call('POST', `/api/v1/sessions/${sessionId}/access`, {
    body: { role: 'viewer', ttlSeconds: 60, label: 'ann' },
  });
  const listed = await plane.call('GET', `/api/v1/sessions/${sessionId}/access`);

  assert.equal(status, 201);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.match(body.token, /^[\w-]{43}$/);
  assert.equal(body.viewUrl, `https://desk.example/view/${sessionId}#access=${body.token}`);
  assert.deepInclude(listed.body.access[0], { id: body.id, role: 'viewer', label: 'ann', revokedAt: null });
  assert.notInclude(JSON.stringify(listed.body), body.token);
  const audit = await plane.call('GET', '/api/v1/audit');
  assert.deepInclude(audit.body.audit[0], { action: 'access.granted', target: `session:${sessionId}` });
  assert.notInclude(JSON.stringify(audit.body), body.token);
});

test('without a public address the link leads to where the gateway listens', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const sessionId = await plane.startSession();

  const { body } = await plane.call('POST', `/api/v1/sessions/${sessionId}/access`, { body: { role: 'owner' } });

  assert.isTrue(body.viewUrl.startsWith(`${plane.gateway.url}/view/${sessionId}#access=`));
});

test('a viewer learns whether it can join, and if not, why', async () => {
  await using plane = await ControlPlane.start();
  const agentKey = await plane.enroll('host-1');
  const agent = await plane.connectAgent({ agentKey });
  const [sessionId, other] = [await plane.startSession(), await plane.startSession()];
  const { id, token } = await plane.grant(sessionId, 'viewer');
  const ask = async (session: string, bearer: string) => {
    const { status, body } = await plane.call('GET', `/api/v1/sessions/${session}/join`, { token: bearer });
    return status === 200 ? body : `${status} ${body.code} ${body.retryable}`;
  };

  assert.deepInclude(await ask(sessionId, token), { sessionId, state: 'running', role: 'viewer' });
  assert.equal(await ask(sessionId, ''), '401 UNAUTHENTICATED false');
  assert.equal(await ask(sessionId, 'x'.repeat(43)), '401 UNAUTHENTICATED false');
  assert.equal(await ask(sessionId, plane.gateway.adminToken), '403 FORBIDDEN false');
  assert.equal(await ask(other, token), '403 FORBIDDEN false');
  assert.equal(await ask('s-none', token), '403 FORBIDDEN false');

  agent.report({ sessionId, state: 'starting' });
  while ((await ask(sessionId, token)) !== '409 SESSION_NOT_RUNNING true');
  agent.drop();
  while ((await ask(sessionId, token)) !== '503 AGENT_OFFLINE true');
  await using _back = await plane.connectAgent({ agentKey, sessions: [{ sessionId: other, state: 'running' }] });
  while ((await ask(sessionId, token)) !== '410 SESSION_ENDED false');

  await plane.call('DELETE', `/api/v1/sessions/${sessionId}/access/${id}`);
  assert.equal(await ask(sessionId, token), '403 ACCESS_REVOKED false');
});

test('an access expires', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const sessionId = await plane.startSession();
  const { token } = await plane.grant(sessionId, 'viewer', 1);

  for (;;) {
    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/join`, { token });
    if (body.code === undefined) continue;
    assert.equal(body.code, 'ACCESS_EXPIRED');
    break;
  }
});

test('an access token opens nothing but its own session, and only its owners see who is there', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const sessionId = await plane.startSession();
  const other = await plane.startSession();
  const owner = await plane.grant(sessionId, 'owner');
  const viewer = await plane.grant(sessionId, 'viewer');
  const status = async (method: string, path: string, token: string) =>
    (await plane.call(method, path, { token })).status;

  assert.equal(await status('GET', `/api/v1/sessions/${sessionId}/logins`, owner.token), 200);
  assert.equal(await status('GET', `/api/v1/sessions/${sessionId}/logins`, viewer.token), 403);
  assert.equal(await status('GET', `/api/v1/sessions/${other}/logins`, owner.token), 403);
  for (const path of [
    '/api/v1/sessions',
    '/api/v1/agents',
    '/api/v1/audit',
    `/api/v1/sessions/${sessionId}`,
    `/api/v1/sessions/${sessionId}/access`,
  ])
    assert.equal(await status('GET', path, owner.token), 401, path);
  assert.equal(await status('DELETE', `/api/v1/sessions/${sessionId}`, owner.token), 401);
  assert.equal(await status('DELETE', `/api/v1/sessions/${sessionId}/access/${viewer.id}`, owner.token), 401);
});

test('what is not there cannot be granted, listed or revoked', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  const sessionId = await plane.startSession();
  const { id } = await plane.grant(sessionId);

  const revoke = async (session: string, access: string) =>
    (await plane.call('DELETE', `/api/v1/sessions/${session}/access/${access}`)).status;

  assert.equal(await revoke(sessionId, 'a-none'), 404);
  assert.equal(await revoke('s-none', id), 404);
  assert.deepEqual([await revoke(sessionId, id), await revoke(sessionId, id)], [204, 204]);
  assert.equal((await plane.call('GET', '/api/v1/sessions/s-none/access')).body.code, 'SESSION_NOT_FOUND');
  await plane.call('DELETE', `/api/v1/sessions/${sessionId}`);
  const late = await plane.call('POST', `/api/v1/sessions/${sessionId}/access`, { body: { role: 'viewer' } });
  assert.deepInclude(late.body, { status: 410, code: 'SESSION_ENDED' });
});
