import { assert, test } from 'vitest';
import { SessionSpec } from '../../protocol/session.ts';
import { decodeLabels, encodeLabels, portsOf } from './labels.ts';

const SESSION = {
  agentId: 'host-1',
  sessionId: 's-1',
  epoch: 'e-1',
  spec: SessionSpec.parse({ app: ['xterm', '-e', 'echo "ü"'], home: 'jane', environment: { A: '1' } }),
  ports: { min: 59_000, max: 59_007 },
  created: '2026-01-01T00:00:00.000Z',
};

test('a container says all that the next agent needs', () => {
  const labels = encodeLabels(SESSION);

  assert.deepEqual(decodeLabels({ ...labels, 'org.opencontainers.image.title': 'x' }), SESSION);
  assert.equal(labels['nekogate.ports'], '59000-59007');
});

test('labels that are not whole are no session, but their ports count', () => {
  const whole = encodeLabels(SESSION);
  const { 'nekogate.spec': _spec, ...rest } = whole;

  assert.isUndefined(decodeLabels(rest));
  assert.isUndefined(decodeLabels({ ...whole, 'nekogate.spec': '{' }));
  assert.isUndefined(decodeLabels({ ...whole, 'nekogate.session': '../x' }));
  assert.deepEqual(portsOf(rest), SESSION.ports);
  for (const ports of ['', '1', '0-5', '9-8', '59000-70000', '1-2-3'])
    assert.isUndefined(portsOf({ 'nekogate.ports': ports }), ports);
});

test('the hash of a spec differs exactly when the spec does', () => {
  const hash = (spec: unknown): string | undefined =>
    encodeLabels({ ...SESSION, spec: SessionSpec.parse(spec) })['nekogate.spec-hash'];

  assert.equal(hash({}), hash({ audio: true }));
  assert.notEqual(hash({}), hash({ audio: false }));
});
