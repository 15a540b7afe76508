import { assert, test } from 'vitest';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import { SessionSpec } from '../../protocol/session.ts';
import { Store } from '../store/store.ts';
import { pino } from 'pino';

const CONTENT = { label: 'a terminal', spec: { app: ['xterm'], audio: false }, overrides: ['screen', 'home'] };

test('a template is made, shown, changed and removed, and each change counts its revision up', async () => {
  await using plane = await ControlPlane.start();

  const created = await plane.call('POST', '/api/v1/templates', { body: { id: 'term', ...CONTENT } });
  const twice = await plane.call('POST', '/api/v1/templates', { body: { id: 'term', ...CONTENT } });
  const changed = await plane.call('PUT', '/api/v1/templates/term', { body: { ...CONTENT, label: 'x', revision: 1 } });
  const stale = await plane.call('PUT', '/api/v1/templates/term', { body: { ...CONTENT, revision: 1 } });
  const listed = await plane.call('GET', '/api/v1/templates');
  const removed = await plane.call('DELETE', '/api/v1/templates/term');

  assert.equal(created.status, 201);
  assert.deepInclude(created.body, { id: 'term', ...CONTENT, warm: 0, revision: 1, pool: { ready: 0, starting: 0 } });
  assert.deepInclude(twice.body, { status: 409, code: 'CONFLICT' });
  assert.deepInclude(changed.body, { label: 'x', revision: 2, createdAt: created.body.createdAt });
  assert.match(stale.body.detail, /changed since revision 1; read it again/);
  assert.deepEqual(listed.body.templates, [changed.body]);
  assert.equal(removed.status, 204);
  for (const method of ['GET', 'DELETE'])
    assert.equal((await plane.call(method, '/api/v1/templates/term')).body.code, 'TEMPLATE_NOT_FOUND');
  assert.equal((await plane.call('PUT', '/api/v1/templates/term', { body: CONTENT })).body.code, 'TEMPLATE_NOT_FOUND');
});

test.for([
  [{ spec: { app: [] } }, /app/],
  [{ spec: { image: 'not an image' } }, /image/],
  [{ spec: { privileged: true } }, /privileged/],
  [{ spec: {}, overrides: ['everything'] }, /overrides/],
  [{ spec: {}, overrides: ['audio', 'audio'] }, /names a key twice/],
  [{ spec: { home: 'ann' }, warm: 1, overrides: ['home'] }, /can have no "warm"/],
  [{ spec: { home: 'ann' } }, /let "overrides" name "home"/],
  [{ spec: {}, warm: -1 }, /warm/],
  [{ spec: {}, warn: 1 }, /warn/],
] as const)('the template %j is refused when it is written, and told what is wrong', async ([content, message]) => {
  await using plane = await ControlPlane.start();

  const { status, body } = await plane.call('POST', '/api/v1/templates', { body: { id: 'bad', ...content } });

  assert.deepEqual([status, body.code], [400, 'BAD_REQUEST']);
  assert.match(body.detail, message);
});

test('a session of a template is what the template says, but for what it lets its caller choose', async () => {
  await using plane = await ControlPlane.start();
  await using agent = await plane.connectAgent();
  await plane.call('POST', '/api/v1/templates', { body: { id: 'term', ...CONTENT } });
  const screen = { width: 640, height: 480, rate: 10 };

  const made = await plane.call('POST', '/api/v1/sessions', { body: { template: 'term', screen } });
  const refused = await plane.call('POST', '/api/v1/sessions', {
    body: { template: 'term', app: ['sh'], audio: true },
  });
  const unknown = await plane.call('POST', '/api/v1/sessions', { body: { template: 'none' } });

  assert.deepEqual(made.body.spec, SessionSpec.parse({ ...CONTENT.spec, screen }));
  assert.deepEqual(made.body.template, { id: 'term', revision: 1 });
  const { command } = await agent.nextCommand();
  assert.deepInclude(command, { action: 'start_session', spec: made.body.spec });
  assert.match(refused.body.detail, /template term decides app, audio itself; it lets callers choose screen, home/);
  assert.equal(unknown.body.code, 'TEMPLATE_NOT_FOUND');
});

test('a template that this gateway understands no more is refused when it is used, and can be changed', async () => {
  await using plane = await ControlPlane.start();
  await using _agent = await plane.connectAgent();
  await using store = await Store.open({ dataDir: plane.dataDir, log: pino({ level: 'silent' }) });
  const old = { label: '', spec: '{"kernel":"6.1"}', overrides: '[]', warm: 1 };
  await store.templates.add('old', old, new Date().toISOString());

  const used = await plane.call('POST', '/api/v1/sessions', { body: { template: 'old' } });
  const changed = await plane.call('PUT', '/api/v1/templates/old', { body: CONTENT });

  assert.deepInclude(used.body, { status: 409, code: 'TEMPLATE_INVALID' });
  assert.match(used.body.detail, /change it with PUT/);
  assert.equal(changed.body.revision, 2);
});
