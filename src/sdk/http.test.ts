import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { inspect } from 'node:util';
import { test } from 'vitest';
import { z } from 'zod';
import { NekogateError } from './errors.ts';
import { connect } from './index.ts';

const TOKEN = 'a-very-secret-token';

test('a problem of the gateway is thrown with its code, message, status and whether to try again', async () => {
  await using gateway = await answerWith((_request, response) => {
    response.writeHead(503, { 'content-type': 'application/problem+json' });
    response.end(
      JSON.stringify({
        type: 'urn:nekogate:problem:AGENT_OFFLINE',
        title: 'Service Unavailable',
        status: 503,
        detail: 'agent host-1 is away',
        code: 'AGENT_OFFLINE',
        retryable: true,
        requestId: 'r-1',
      }),
    );
  });

  const failure = await failureOf(connect({ url: gateway.url, token: TOKEN }).sessions.get('s-1'));

  const { code, message, status, retryable, requestId } = failure;
  assert.deepEqual(
    { code, message, status, retryable, requestId },
    { code: 'AGENT_OFFLINE', message: 'agent host-1 is away', status: 503, retryable: true, requestId: 'r-1' },
  );
});

test.each([
  ['a page of a proxy', 502, '<html>Bad Gateway</html>'],
  ['an empty answer', 200, ''],
  ['half an answer', 200, '{"id": "s-1", "sta'],
  ['an answer of another shape', 200, `{"id": 1, "state": "${TOKEN}"}`],
])('%s is no answer', async (_what, status, body) => {
  await using gateway = await answerWith((_request, response) => response.writeHead(status).end(body));

  const failure = await failureOf(connect({ url: gateway.url, token: TOKEN }).sessions.get('s-1'));

  assert.deepEqual([failure.code, failure.status], ['ANSWER_INVALID', status]);
  assert.doesNotMatch(inspect(failure, { depth: null }), new RegExp(TOKEN));
});

test('an answer that comes a byte at a time is whole', async () => {
  const body = JSON.stringify({ access: [{ ...ACCESS, label: 'Zoë' }] });
  await using gateway = await answerWith((_request, response) => {
    for (const byte of Buffer.from(body)) response.write(Buffer.of(byte));
    response.end();
  });

  const access = await connect({ url: gateway.url, token: TOKEN }).access.list('s-1');

  assert.deepEqual(access, [{ ...ACCESS, label: 'Zoë' }]);
});

test('who aborts gets the reason, and the gateway sees the call end', async () => {
  const gone = Promise.withResolvers<void>();
  const came = Promise.withResolvers<void>();
  await using gateway = await answerWith((_request, response) => {
    response.on('close', () => gone.resolve());
    came.resolve();
  });
  const abort = new AbortController();
  const reason = new Error('no longer wanted');

  const call = connect({ url: gateway.url, token: TOKEN }).sessions.wait('s-1', { signal: abort.signal });
  const refused = assert.rejects(call, reason);
  await came.promise;
  abort.abort(reason);

  await refused;
  await gone.promise;
});

test('a call that takes too long ends as TIMEOUT, and may be tried again', async () => {
  await using gateway = await answerWith((_request, response) => response.writeHead(200).write('{'));

  const failure = await failureOf(
    connect({ url: gateway.url, token: TOKEN })
      .desktop('s-1')
      .act([{ type: 'wait', ms: 1 }], { timeoutMs: 50 }),
  );

  assert.deepEqual([failure.code, failure.retryable], ['TIMEOUT', true]);
});

test('a gateway that is not there is told without the token', async () => {
  const gone = await answerWith(() => undefined);
  await gone[Symbol.asyncDispose]();
  const nekogate = connect({ url: gone.url, token: TOKEN });

  const failure = await failureOf(nekogate.sessions.list());

  assert.deepEqual([failure.code, failure.retryable], ['GATEWAY_UNREACHABLE', true]);
  assert.doesNotMatch(inspect([failure, nekogate], { depth: null, showHidden: true }), new RegExp(TOKEN));
});

test('a redirection is not followed, for the token is for this gateway', async () => {
  const seen: (string | undefined)[] = [];
  await using other = await answerWith((request, response) => {
    seen.push(request.headers.authorization);
    response.end('{}');
  });
  await using gateway = await answerWith((_request, response) =>
    response.writeHead(307, { location: other.url }).end(),
  );

  const failure = await failureOf(connect({ url: gateway.url, token: TOKEN }).sessions.list());

  assert.deepEqual([failure.code, seen], ['GATEWAY_UNREACHABLE', []]);
});

test('ids stay one part of the path, and a path of the gateway is kept', async () => {
  const paths: (string | undefined)[] = [];
  await using gateway = await answerWith((request, response) => {
    paths.push(request.url);
    response.end('{"access": []}');
  });
  const { access } = connect({ url: `${gateway.url}/below`, token: TOKEN });

  await access.list('a/../../b?c#d');

  assert.deepEqual(paths, ['/below/api/v1/sessions/a%2F..%2F..%2Fb%3Fc%23d/access']);
  await assert.rejects(async () => access.list('..'), { code: 'BAD_REQUEST' });
});

test.each(['gateway', 'ftp://gateway', 'https://me:secret@gateway'])('%s is no address of a gateway', (url) => {
  assert.throws(() => connect({ url, token: TOKEN }), { code: 'BAD_REQUEST' });
});

const ACCESS = {
  id: 'a-1',
  role: 'viewer',
  label: '',
  createdAt: '2026-01-01T00:00:00.000Z',
  expiresAt: '2026-01-02T00:00:00.000Z',
  revokedAt: null,
};

async function answerWith(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<NekogateError> {
  const thrown: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(thrown instanceof NekogateError, `was ${inspect(thrown)}`);
  return thrown;
}
