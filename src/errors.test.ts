import assert from 'node:assert/strict';
import { test } from 'vitest';
import { GatewayError, isFailureCode, listFailures, toGatewayError } from './errors.ts';

test('every failure has an HTTP status, and a close code that a WebSocket may carry', () => {
  for (const { code, status, close } of listFailures()) {
    assert.match(code, /^[A-Z][A-Z_]+$/);
    assert.ok(status >= 400 && status <= 599, `${code}: status ${status}`);
    assert.ok((close >= 4000 && close <= 4999) || close === 1009, `${code}: close ${close}`);
    // A close reason has 123 bytes at most (RFC 6455, 5.5).
    assert.ok(Buffer.byteLength(code) <= 123);
  }
});

test('a failure stays itself, and anything else thrown hides behind INTERNAL with its cause kept', () => {
  const failure = new GatewayError('KICKED', 'an owner ended it');
  const cause = new Error('secret detail');

  assert.equal(toGatewayError(failure), failure);
  const wrapped = toGatewayError(cause);

  assert.equal(wrapped.code, 'INTERNAL');
  assert.equal(wrapped.cause, cause);
  assert.doesNotMatch(wrapped.message, /secret detail/);
});

test('names that every object has are no failure codes', () => {
  assert.equal(isFailureCode('KICKED'), true);
  assert.equal(isFailureCode('toString'), false);
  assert.equal(isFailureCode('__proto__'), false);
});
